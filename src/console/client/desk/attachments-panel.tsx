import { download, FILE_TIMEOUT_MS, randomKey, send } from '../api.ts'
import { bytes } from '../times.ts'
import { useAction } from '../use-action.ts'
import type { Attachment, Ticket } from './shapes.ts'

/** Files that came with the ticket, and a place to add one. */
export function AttachmentsPanel({ ticket, attachments, changed }: { ticket: Ticket; attachments: Attachment[]; changed: () => void }) {
  const { busy, error, run } = useAction()
  const attach = (files: FileList | null) =>
    run(async () => {
      for (const file of files ?? []) {
        const form = new FormData()
        form.set('file', file)
        await send('POST', `/tickets/${ticket.id}/attachments`, { form, timeoutMs: FILE_TIMEOUT_MS, headers: { 'idempotency-key': randomKey() } })
      }
      changed()
    })
  return (
    <section class="card" aria-labelledby="attachments-title">
      <div class="card-head">
        <h2 id="attachments-title">Attachments</h2>
        <span class="faint number">{attachments.length}</span>
      </div>
      {attachments.length > 0 && (
        <ul class="helps">
          {attachments.map((attachment) => (
            <li key={attachment.id}>
              <Download attachment={attachment} /> <span class="faint">{bytes(attachment.size_bytes)}</span>
            </li>
          ))}
        </ul>
      )}
      <label class="attach">
        <span class="button button-small">{busy ? 'Sending…' : 'Attach files'}</span>
        <input
          class="sr"
          type="file"
          multiple
          disabled={busy}
          onChange={(event) => {
            attach(event.currentTarget.files)
            event.currentTarget.value = ''
          }}
        />
      </label>
      {error && (
        <p class="bad" role="alert">
          {error.message}
        </p>
      )}
    </section>
  )
}

/** A file to keep. It is fetched with the bearer's token, which a plain link would not send. */
export function Download({ attachment }: { attachment: Attachment }) {
  const { busy, error, run } = useAction()
  const keep = () =>
    run(async () => {
      const address = URL.createObjectURL(await download(`/attachments/${attachment.id}/download`))
      const link = document.createElement('a')
      link.href = address
      link.download = attachment.filename
      link.click()
      setTimeout(() => URL.revokeObjectURL(address), 60_000)
    })
  return (
    <>
      <button type="button" class="link-button" disabled={busy} onClick={keep}>
        {attachment.filename}
      </button>
      {error && <span class="bad">{error.message}</span>}
    </>
  )
}
