import { send } from '../api.ts'
import { Age } from '../marks.tsx'
import { ticketAddress } from '../route.ts'
import { percent } from '../times.ts'
import { useAction } from '../use-action.ts'
import type { Suggestion } from './shapes.ts'

/** A drafted reply with the sources that carry it: to be taken, changed, or thrown away. */
export function SuggestionPanel({ suggestion, take, decided }: { suggestion: Suggestion; take: () => void; decided: () => void }) {
  const { busy, error, run } = useAction()
  const decide = (verb: 'accept' | 'reject', body: unknown) =>
    run(async () => {
      await send('POST', `/suggestions/${suggestion.id}/${verb}`, { body })
      decided()
    })
  return (
    <section class="card" aria-labelledby="suggestion-title">
      <div class="card-head">
        <h2 id="suggestion-title">Suggested reply</h2>
        {suggestion.confidence !== null && <span class="faint number">{percent(suggestion.confidence)} sure</span>}
      </div>
      <p class="said-text suggestion-text">{suggestion.content}</p>
      {suggestion.citations.length > 0 && (
        <details class="sources" open>
          <summary>{suggestion.citations.length === 1 ? '1 source' : `${suggestion.citations.length} sources`}</summary>
          <ul>
            {suggestion.citations.map((citation) => (
              <li key={`${citation.source_id} ${citation.quote}`}>
                {citation.source_type === 'ticket' ? (
                  <a class="link" href={ticketAddress(citation.source_id)}>
                    {citation.title}
                  </a>
                ) : (
                  <strong>{citation.title}</strong>
                )}{' '}
                <span class="faint">
                  {citation.source_type === 'kb' ? 'article' : 'ticket'}, version {citation.version}
                </span>
                <blockquote>{citation.quote}</blockquote>
              </li>
            ))}
          </ul>
        </details>
      )}
      {suggestion.citations.length === 0 && <p class="note">No source carries this draft.</p>}
      <p class="faint suggestion-model">
        {suggestion.model_id}
        {suggestion.basis && `, ${suggestion.basis.replace('_', ' ')}`}
        {suggestion.basis_reason && ` (${suggestion.basis_reason})`}, expires <Age at={suggestion.expires_at} suffix=" ago" />
      </p>
      {error && (
        <p class="bad" role="alert">
          {error.message}
        </p>
      )}
      <div class="actions">
        <button class="button button-main" disabled={busy} onClick={take} title="Puts it into the answer, where you change it before it is sent">
          Edit and send
        </button>
        <button class="button" disabled={busy} onClick={() => decide('accept', { post_comment: true })} title="Sends it as it is">
          Send as it is
        </button>
        <button class="button" disabled={busy} onClick={() => decide('reject', {})}>
          Dismiss
        </button>
      </div>
    </section>
  )
}
