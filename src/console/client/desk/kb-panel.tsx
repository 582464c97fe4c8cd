import { useState } from 'preact/hooks'
import { readIfThere, send } from '../api.ts'
import { usePolling } from '../polling.ts'
import { ticketAddress } from '../route.ts'
import type { Page } from '../shapes.ts'
import { percent } from '../times.ts'
import { useAction } from '../use-action.ts'
import type { KbSuggestion, Ticket } from './shapes.ts'

const KB_MS = 15_000

interface Similar {
  id?: string
  ticket_id?: string
  number: number
  subject: string
  status?: string
  similarity?: number
  score?: number
}

/** Articles that may help, and tickets that were like this one. */
export function KbPanel({ ticket }: { ticket: Ticket }) {
  const articles = usePolling(`kb ${ticket.id}`, KB_MS, (signal) => readIfThere<Page<KbSuggestion>>(`/tickets/${ticket.id}/kb-suggestions`, signal)).data
  const similar = usePolling(`similar ${ticket.id}`, KB_MS, (signal) => readIfThere<Page<Similar>>(`/tickets/${ticket.id}/similar`, signal)).data
  if (!articles?.items.length && !similar?.items.length) return null
  return (
    <section class="card" aria-labelledby="kb-title">
      <h2 id="kb-title">What may help</h2>
      {articles && articles.items.length > 0 && (
        <ul class="helps">
          {articles.items.map((article) => (
            <Article key={article.id} article={article} />
          ))}
        </ul>
      )}
      {similar && similar.items.length > 0 && (
        <>
          <h3>Tickets like this</h3>
          <ul class="helps">
            {similar.items.slice(0, 5).map((other) => (
              <li key={other.number}>
                <a class="link help-ticket" href={ticketAddress(other.ticket_id ?? other.id ?? '')} title={other.subject}>
                  #{other.number} <bdi>{other.subject}</bdi>
                </a>{' '}
                <span class="faint">{other.status?.replaceAll('_', ' ')}</span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  )
}

function Article({ article }: { article: KbSuggestion }) {
  const { busy, error, run } = useAction()
  const [vote, setVote] = useState<boolean | null>(article.is_helpful)
  const say = (is_helpful: boolean) =>
    run(async () => {
      await send('POST', '/kb/suggestions/vote', { body: { suggestion_id: article.id, is_helpful } })
      setVote(is_helpful)
    })
  return (
    <li>
      <details>
        <summary>
          <strong>{article.title}</strong> <span class="faint number">{percent(article.relevance_score)}</span>
        </summary>
        <p class="said-text">{article.excerpt}</p>
        <p class="actions" role="group" aria-label="Does it help?">
          {[true, false].map((helps) => (
            <button key={String(helps)} class="button button-small" disabled={busy} aria-pressed={vote === helps} onClick={() => say(helps)}>
              {helps ? 'Helps' : 'Does not help'}
            </button>
          ))}
          {error && <span class="bad">{error.message}</span>}
        </p>
      </details>
    </li>
  )
}
