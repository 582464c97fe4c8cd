import { readIfThere, send } from '../api.ts'
import { usePolling } from '../polling.ts'
import { percent } from '../times.ts'
import { useAction } from '../use-action.ts'
import { useCommands } from '../commands.ts'
import type { Directory } from './people.ts'
import type { Ticket, Triage, TriageField } from './shapes.ts'
import { whyOf } from './why.ts'

const TRIAGE_MS = 8_000

/** What triage says of each field, and why: applied, changed or rejected one by one. */
export function TriagePanel({ ticket, directory, changed }: { ticket: Ticket; directory: Directory; changed: () => void }) {
  const { data, error, refresh } = usePolling(`triage ${ticket.id}`, TRIAGE_MS, (signal) => readIfThere<Triage>(`/tickets/${ticket.id}/triage`, signal))
  const act = useAction()
  const done = () => {
    refresh()
    changed()
  }
  const again = () =>
    act.run(async () => {
      await send('POST', `/tickets/${ticket.id}/triage/run`, { body: {} })
      refresh()
    })
  const open = data?.fields.filter(({ allowed }) => allowed.includes('ACCEPT')) ?? []
  const applyAll = () =>
    act.run(async () => {
      await send('POST', `/tickets/${ticket.id}/triage/apply`, { body: { fields: open.map(({ field }) => field) } })
      done()
    })
  useCommands([
    { id: 'triage', name: 'Triage again', run: again },
    ...(open.length > 0 ? [{ id: 'apply', name: 'Apply all of triage', keys: 't a', run: applyAll }] : []),
  ])

  return (
    <section class="card" aria-labelledby="triage-title">
      <div class="card-head">
        <h2 id="triage-title">Triage</h2>
        <span class="card-space" />
        {open.length > 1 && (
          <button class="button button-small" disabled={act.busy} onClick={applyAll}>
            Apply all
          </button>
        )}
        <button class="button button-small" disabled={act.busy} onClick={again}>
          Run again
        </button>
      </div>
      {act.error && (
        <p class="bad" role="alert">
          {act.error.message}
        </p>
      )}
      {data && (
        <ul class="triage">
          {data.fields.map((field) => (
            <FieldRow key={field.id} ticket={ticket} field={field} directory={directory} done={done} />
          ))}
        </ul>
      )}
      {data === null && <p class="faint">Not triaged yet. It happens by itself soon after a ticket comes.</p>}
      {data === undefined && error && <p class="bad">{error.message}</p>}
    </section>
  )
}

function FieldRow({ ticket, field, directory, done }: { ticket: Ticket; field: TriageField; directory: Directory; done: () => void }) {
  const { busy, error, run } = useAction()
  const decide = (verb: 'apply' | 'reject') =>
    run(async () => {
      await send('POST', `/tickets/${ticket.id}/triage/${verb}`, { body: { field: field.field } })
      done()
    })
  const silent = field.mode === 'silent' ? 'silent' : 'not sure enough'
  const why = whyOf(field.why)
  return (
    <li class="triage-field">
      <span class="triage-name">{field.field}</span>
      <span class="triage-value">
        {field.value === null ? <span class="faint">{silent}</span> : <strong>{valueOf(field, directory)}</strong>}{' '}
        {field.confidence !== null && <span class="faint number">{percent(field.confidence)}</span>}
        {field.state && field.state !== 'offered' && (
          <span class={`chip tone-${field.state === 'rejected' ? 'ended' : 'done'}`}>{field.is_applied ? 'applied' : field.state}</span>
        )}
      </span>
      <span class="actions">
        {field.allowed.includes('ACCEPT') && (
          <button class="button button-small" disabled={busy} onClick={() => decide('apply')} aria-label={`Apply ${field.field}`}>
            Apply
          </button>
        )}
        {field.allowed.includes('REJECT') && (
          <button class="button button-small button-quiet" disabled={busy} onClick={() => decide('reject')} aria-label={`Reject ${field.field}`}>
            Reject
          </button>
        )}
      </span>
      {why && !(field.value === null && why === silent) && <span class="triage-why faint">{why}</span>}
      {error && (
        <span class="bad triage-why" role="alert">
          {error.message}
        </span>
      )}
    </li>
  )
}

function valueOf({ field, value }: TriageField, directory: Directory): string {
  if (field === 'assignee' && typeof value === 'string') return directory.person(value)?.full_name ?? value
  return Array.isArray(value) ? value.join(', ') : typeof value === 'string' ? value : JSON.stringify(value)
}
