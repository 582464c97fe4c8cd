import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { read, readIfThere } from '../api.ts'
import { serverNow } from '../connection.ts'
import { useHeld } from '../held.ts'
import { Age, Blank, Chip, Fault, Loading } from '../marks.tsx'
import { useNow, usePolling } from '../polling.ts'
import { go, ticketAddress, withQuery } from '../route.ts'
import { moveAmongRows } from '../row-keys.ts'
import type { Me, Page } from '../shapes.ts'
import { chance } from '../times.ts'
import { useCommands } from '../commands.ts'
import { hasDraft } from './drafts.ts'
import { useTicketEvents } from './events.ts'
import { useDirectory } from './people.ts'
import type { Directory } from './people.ts'
import type { Ticket, View } from './shapes.ts'
import { byUrgency, URGENCIES, urgencyOf } from './urgency.ts'

const LIST_MS = 10_000
const VIEWS_MS = 60_000
const PAGE = 100
const PAGES_MAX = 20
const TYPING_MS = 350
const OPEN = 'new,accepted,assigned,in_progress,waiting_customer'
const WHOSE = [
  ['', 'Everybody'],
  ['me', 'Mine'],
  ['none', 'Nobody'],
] as const

/** What waits for an answer, the most urgent first. */
export function TicketList({ query, me }: { query: URLSearchParams; me: Me }) {
  const asked = queryOf(query)
  const [wanted, setWanted] = useState({ of: '', pages: 1 })
  const pages = wanted.of === asked.toString() ? wanted.pages : 1
  const { data, error, refresh } = usePolling(`tickets ${asked}`, LIST_MS, (signal) => readPages(asked, pages, signal))
  useEffect(() => {
    if (pages > 1) refresh()
  }, [pages])
  useTicketEvents(refresh)
  const directory = useDirectory()
  const now = useNow(serverNow)
  const sorted = !data ? [] : asked.get('sort') === 'urgency' ? byUrgency(data.items, now) : data.items
  const { items, newer, letGo, holders } = useHeld(sorted, ({ id }) => id, asked.toString())
  useEffect(() => {
    document.title = 'Tickets · ATUM DESK'
  }, [])
  const list = useRef<HTMLDivElement>(null)
  const move = (step: number) => {
    const links = [...(list.current?.querySelectorAll<HTMLElement>('.row-link') ?? [])]
    const at = links.indexOf(document.activeElement as HTMLElement)
    links[at < 0 ? 0 : at + step]?.focus()
  }
  useCommands([
    { id: 'down', name: 'Next ticket', keys: 'j', run: () => move(1) },
    { id: 'up', name: 'Ticket before', keys: 'k', run: () => move(-1) },
    { id: 'search', name: 'Search in tickets', keys: '/', run: () => document.querySelector<HTMLElement>('#ticket-search')?.focus() },
  ])

  return (
    <div class="page">
      <section class="card" aria-labelledby="tickets-title">
        <div class="card-head">
          <h1 id="tickets-title">Tickets</h1>
          {data && (
            <span class="faint number">
              {data.items.length}
              {data.next_cursor ? ' most urgent' : ''}
            </span>
          )}
          {error && data && <span class="stale">not renewed: {error.message}</span>}
          <span class="card-space" />
          <TicketSearch query={query} />
        </div>
        <Filters query={query} />
        {items.length > 0 && (
          <div ref={list} {...holders} onKeyDown={moveAmongRows}>
            <p class="newer" role="status">
              {newer > 0 && (
                <button class="button button-small" onClick={letGo}>
                  {newer} new: show
                </button>
              )}
            </p>
            <Groups tickets={items} now={now} directory={directory} me={me} />
          </div>
        )}
        {data?.next_cursor && pages < PAGES_MAX && (
          <p class="pager">
            <button class="button" onClick={() => setWanted({ of: asked.toString(), pages: pages + 1 })}>
              Show {PAGE} more
            </button>
          </p>
        )}
        {data?.next_cursor && pages === PAGES_MAX && <p class="pager-note">There are more: filters or the search find them.</p>}
        {data && items.length === 0 && <Blank title="Nothing waits here">New tickets appear by themselves.</Blank>}
        {!data && (error ? <Fault error={error} doing="read the tickets" /> : <Loading rows={10} what="the tickets" />)}
      </section>
    </div>
  )
}

/** The list from its beginning as far as it is looked at: what moves up while somebody reads comes to stand in its place. */
async function readPages(asked: URLSearchParams, pages: number, signal: AbortSignal): Promise<Page<Ticket>> {
  const items: Ticket[] = []
  let cursor: string | null | undefined
  for (let page = 0; page < pages && cursor !== null; page += 1) {
    const answer: Page<Ticket> = await read(`/tickets?${asked}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, signal)
    items.push(...answer.items)
    cursor = answer.next_cursor ?? null
  }
  return { items: [...new Map(items.map((ticket) => [ticket.id, ticket])).values()], next_cursor: cursor ?? null }
}

function queryOf(query: URLSearchParams): URLSearchParams {
  const view = query.get('view')
  const [who, status, q, priority] = ['who', 'status', 'q', 'priority'].map((name) => query.get(name))
  return new URLSearchParams({
    limit: String(PAGE),
    // What is settled has no urgency: the last one that was touched comes first.
    sort: status && !OPEN.split(',').includes(status) ? '-updated_at' : 'urgency',
    ...(view ? { view } : {}),
    ...(status ? { status } : view ? {} : { status: OPEN }),
    ...(who ? { assigned_to: who } : {}),
    ...(priority ? { priority } : {}),
    ...(q ? { q } : {}),
  })
}

function Filters({ query }: { query: URLSearchParams }) {
  const views = usePolling('views', VIEWS_MS, (signal) => readIfThere<Page<View>>('/views?limit=50', signal)).data?.items ?? []
  const [who, view] = [query.get('who') ?? '', query.get('view')]
  return (
    <div class="filter-chips">
      <nav class="tabs" aria-label="Whose">
        {WHOSE.map(([value, words]) => (
          <a key={value} class="tab" href={withQuery(query, { who: value || null })} aria-current={value === who ? 'true' : undefined}>
            {words}
          </a>
        ))}
      </nav>
      <label class="sr" for="status-filter">
        Status
      </label>
      <select
        id="status-filter"
        class="select"
        value={query.get('status') ?? ''}
        onChange={(event) => go(withQuery(query, { status: event.currentTarget.value || null }))}
      >
        <option value="">open</option>
        {Object.keys(TICKET_MOVES).map((status) => (
          <option key={status} value={status}>
            {status.replaceAll('_', ' ')}
          </option>
        ))}
      </select>
      {views.length > 0 && (
        <nav class="tabs" aria-label="Saved views">
          {views.map(({ id, name }) => (
            <a key={id} class="tab" href={withQuery(query, { view: id === view ? null : id })} aria-current={id === view ? 'true' : undefined}>
              {name}
            </a>
          ))}
        </nav>
      )}
    </div>
  )
}

function TicketSearch({ query }: { query: URLSearchParams }) {
  const asked = query.get('q') ?? ''
  const [text, setText] = useState(asked)
  const sent = useRef(asked)
  // The address moved by other means than this box: it follows. What is typed meanwhile stays.
  useLayoutEffect(() => {
    if (asked !== sent.current) setText(asked)
    sent.current = asked
  }, [asked])
  useEffect(() => {
    if (text.trim() === asked) return undefined
    const timer = setTimeout(() => {
      sent.current = text.trim()
      go(withQuery(new URLSearchParams(location.search), { q: text.trim() || null }), { replace: true })
    }, TYPING_MS)
    return () => clearTimeout(timer)
  }, [text])
  return (
    <search class="search">
      <input
        id="ticket-search"
        class="input"
        type="search"
        placeholder="Search in tickets  /"
        aria-label="Search in tickets"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </search>
  )
}

function Groups({ tickets, now, directory, me }: { tickets: Ticket[]; now: number; directory: Directory; me: Me }) {
  const groups = Map.groupBy(tickets, (ticket) => urgencyOf(ticket, now))
  return (
    <>
      {[...groups].map(([urgency, members]) => (
        <section key={urgency} class={`ticket-group urgency-${urgency}`} aria-label={URGENCIES[urgency]}>
          <h2 class="ticket-group-title">
            {URGENCIES[urgency]} <span class="faint number">{members.length}</span>
          </h2>
          <ul class="tickets">
            {members.map((ticket) => (
              <TicketRow key={ticket.id} ticket={ticket} directory={directory} me={me} />
            ))}
          </ul>
        </section>
      ))}
    </>
  )
}

function TicketRow({ ticket, directory, me }: { ticket: Ticket; directory: Directory; me: Me }) {
  const assignee = ticket.assigned_to === null ? 'nobody' : ticket.assigned_to === me.id ? 'me' : (directory.person(ticket.assigned_to)?.full_name ?? '…')
  return (
    <li class="ticket row">
      <span class="ticket-number faint number">#{ticket.number}</span>
      <a class="row-link ticket-subject" href={ticketAddress(ticket.id)}>
        <bdi>{ticket.subject}</bdi>
      </a>
      <span class="ticket-marks">
        <span class={`priority priority-${ticket.priority}`}>{ticket.priority}</span>
        <Chip state={ticket.status} />
        {hasDraft(me.id, ticket.id) && <span class="chip tone-held">draft</span>}
      </span>
      <span class="ticket-who faint">{assignee}</span>
      <span class="ticket-due number">
        {ticket.sla_due_at ? (
          <>
            due <Age at={ticket.sla_due_at} suffix=" ago" />
          </>
        ) : (
          <span class="faint">
            came <Age at={ticket.created_at} suffix=" ago" />
          </span>
        )}
      </span>
      <span class="ticket-risk number" title="Probability of missing the target">
        {ticket.sla_due_at !== null && ticket.sla_risk_score !== null && `${chance(ticket.sla_risk_score)} risk`}
      </span>
    </li>
  )
}
