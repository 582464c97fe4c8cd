import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError, read, readIfThere, send } from '../api.ts'
import { Age, Blank, Chip, Fault, Loading } from '../marks.tsx'
import { usePolling } from '../polling.ts'
import { DESK, go } from '../route.ts'
import type { Me, Page } from '../shapes.ts'
import { spoken } from '../states.ts'
import { useAction } from '../use-action.ts'
import { AttachmentsPanel } from './attachments-panel.tsx'
import { useCommands } from '../commands.ts'
import { Composer } from './composer.tsx'
import { useTicketEvents } from './events.ts'
import { useDirectory } from './people.ts'
import { usePresence } from './presence.ts'
import { Properties, useChange } from './properties.tsx'
import { KbPanel } from './kb-panel.tsx'
import type { Attachment, Comment, Suggestion, Ticket } from './shapes.ts'
import { SlaPanel } from './sla-panel.tsx'
import { SuggestionPanel } from './suggestion-panel.tsx'
import { Thread } from './thread.tsx'
import { TriagePanel } from './triage-panel.tsx'

const TICKET_MS = 5_000
const COMMENTS_PAGE = 200
const COMMENT_PAGES_MAX = 5

/** One ticket: what was said, what to say, and what is known of it. */
export function TicketPage({ id, me }: { id: string; me: Me }) {
  const { data, error, refresh } = usePolling(`ticket ${id}`, TICKET_MS, async (signal) => {
    const [ticket, comments, attachments, suggestions] = await Promise.all([
      read<Ticket>(`/tickets/${id}`, signal),
      readComments(id, signal),
      readIfThere<Page<Attachment>>(`/tickets/${id}/attachments?limit=200`, signal),
      readIfThere<Page<Suggestion>>(`/tickets/${id}/suggestions`, signal),
    ])
    return { ticket, ...comments, attachments: attachments?.items ?? null, suggestion: suggestions?.items[0] ?? null }
  })
  useTicketEvents((event) => event.ticket_id === id && refresh())
  const [isWriting, setWriting] = useState(false)
  const others = usePresence(id, isWriting)
  const directory = useDirectory()
  const [offered, setOffered] = useState<{ suggestion: Suggestion; at: number } | null>(null)
  useEffect(() => {
    document.title = data ? `#${data.ticket.number} ${data.ticket.subject} · ATUM DESK` : 'Ticket · ATUM DESK'
  }, [data?.ticket.subject])

  if (!data && error instanceof ApiError && error.status === 404) {
    return (
      <Blank
        title="There is no such ticket"
        action={
          <a class="button" href={DESK}>
            To the tickets
          </a>
        }
      />
    )
  }
  if (!data) return error ? <Fault error={error} doing="read this ticket" /> : <Loading rows={10} what="this ticket" />
  const { ticket, comments, more, attachments, suggestion } = data

  return (
    <div class="ticket-page">
      <TicketHead ticket={ticket} me={me} changed={refresh} />
      {others.length > 0 && (
        <p class="note presence" role="status">
          {others.map(({ full_name, is_writing }) => `${full_name} ${is_writing ? 'is writing here' : 'has this open'}`).join('; ')}
        </p>
      )}
      <div class="ticket-main">
        <Thread ticket={ticket} comments={comments} attachments={attachments ?? []} directory={directory} more={more} />
        <Composer ticket={ticket} me={me} offered={offered} sent={refresh} writing={setWriting} />
      </div>
      <aside class="ticket-side" aria-label="What is known of it">
        <Properties ticket={ticket} directory={directory} me={me} changed={refresh} />
        {suggestion && (
          <SuggestionPanel key={suggestion.id} suggestion={suggestion} take={() => setOffered({ suggestion, at: Date.now() })} decided={refresh} />
        )}
        <TriagePanel ticket={ticket} directory={directory} changed={refresh} />
        <SlaPanel ticket={ticket} />
        <KbPanel ticket={ticket} />
        {attachments && <AttachmentsPanel ticket={ticket} attachments={attachments} changed={refresh} />}
      </aside>
    </div>
  )
}

async function readComments(id: string, signal: AbortSignal): Promise<{ comments: Comment[]; more: boolean }> {
  const comments: Comment[] = []
  let cursor: string | null | undefined
  for (let page = 0; page < COMMENT_PAGES_MAX && cursor !== null; page += 1) {
    const query = new URLSearchParams({ limit: String(COMMENTS_PAGE), ...(cursor ? { cursor } : {}) })
    const answer: Page<Comment> = await read(`/tickets/${id}/comments?${query}`, signal)
    comments.push(...answer.items)
    cursor = answer.next_cursor ?? null
  }
  return { comments, more: cursor !== null }
}

function TicketHead({ ticket, me, changed }: { ticket: Ticket; me: Me; changed: () => void }) {
  const { busy, error, run } = useAction()
  const { change } = useChange(ticket, changed)
  const title = useRef<HTMLHeadingElement>(null)
  useLayoutEffect(() => title.current?.focus(), [])
  const moves = TICKET_MOVES[ticket.status] ?? []
  const takes = ticket.assigned_to !== me.id && moves.length > 0 && ticket.status !== 'new'
  // Who takes it assigns it.
  const shown = takes ? moves.filter((status) => status !== 'assigned') : moves
  const move = (status: string) =>
    run(async () => {
      await send('POST', `/tickets/${ticket.id}/${status === 'accepted' ? 'accept' : 'status'}`, { body: status === 'accepted' ? {} : { status } })
      changed()
    })
  const take = () => run(() => change('assign', { assignee_id: me.id }))
  useCommands([
    { id: 'back', name: 'Back to the list', keys: 'u', run: () => go(DESK) },
    { id: 'take', name: 'Assign to me', keys: 'a', run: take },
    ...moves.map((status, index) => ({
      id: `move-${status}`,
      name: `Move to ${spoken(status)}`,
      keys: `m ${index + 1}`,
      run: () => move(status),
    })),
  ])
  return (
    <header class="ticket-head">
      <p class="crumb">
        <a href={DESK}>Tickets</a>
      </p>
      <div class="job-title">
        <h1 tabIndex={-1} ref={title}>
          <span class="faint">#{ticket.number}</span> <bdi>{ticket.subject}</bdi>
        </h1>
        <Chip state={ticket.status} />
        <span class={`priority priority-${ticket.priority}`}>{ticket.priority}</span>
        <span class="came faint">
          came <Age at={ticket.created_at} suffix=" ago" />
        </span>
        <span class="card-space" />
        <span class="actions" role="group" aria-label="Move this ticket">
          {error && (
            <span class="bad" role="alert">
              {error.message}
            </span>
          )}
          {takes && (
            <button class={ticket.status === 'accepted' ? 'button button-main' : 'button'} disabled={busy} onClick={take}>
              Assign to me
            </button>
          )}
          {shown.map((status, index) => (
            <button
              key={status}
              class={index === 0 && !(takes && ticket.status === 'accepted') ? 'button button-main' : 'button'}
              disabled={busy}
              onClick={() => move(status)}
            >
              {VERBS[status] ?? spoken(status)}
            </button>
          ))}
        </span>
      </div>
    </header>
  )
}

const VERBS: Record<string, string> = {
  accepted: 'Accept',
  assigned: 'Mark as assigned',
  in_progress: 'Start work',
  waiting_customer: 'Wait for customer',
  resolved: 'Resolve',
  closed: 'Close',
  cancelled: 'Cancel ticket',
}
