import type { ComponentChildren } from 'preact'
import { read } from './api.ts'
import { Age, Blank, Chip, Fault, Loading } from './marks.tsx'
import { usePolling } from './polling.ts'
import { ticketAddress } from './route.ts'
import type { SlaBoard } from './shapes.ts'
import { spoken } from './states.ts'
import { Tile } from './tile.tsx'
import { chance, duration } from './times.ts'
import { WindowPicker, windowOf } from './window-picker.tsx'

const BOARD_MS = 10_000
const RISKY = 0.5
/** A promise: what is due is noticed within it. */
const LATE_SECONDS = 60

/** What is due soon, what was missed, and whether that is noticed in time. */
export function SlaPage({ query }: { query: URLSearchParams }) {
  const seconds = windowOf(query)
  const { data, error } = usePolling(`sla ${seconds}`, BOARD_MS, (signal) => read<SlaBoard>(`/sla/board?window=${seconds}`, signal))
  if (!data) return <div class="page">{error ? <Fault error={error} doing="read the SLA of an organisation" /> : <Loading rows={8} what="the SLA" />}</div>
  const { due_soon, breaches, lateness } = data
  const overdue = due_soon.filter(({ sla_due_at }) => Date.parse(sla_due_at) < Date.now()).length
  const risky = due_soon.filter(({ sla_risk_score }) => (sla_risk_score ?? 0) >= RISKY).length
  return (
    <div class="page">
      <section class="card" aria-labelledby="sla-title">
        <div class="card-head">
          <h1 id="sla-title">SLA</h1>
          <span class="card-space" />
          <WindowPicker query={query} />
        </div>
        <ul class="tiles">
          <Tile
            name="Due within the hour"
            value={String(due_soon.length - overdue)}
            note={`${risky} at risk`}
            tone={risky > 0 ? 'retried' : 'done'}
            from="GET /sla/board"
          />
          <Tile name="Overdue and open" value={String(overdue)} tone={overdue > 0 ? 'failed' : 'done'} from="tickets.sla_due_at" />
          <Tile
            name="Breaches"
            value={String(breaches.length)}
            note={`noticed in the last ${duration(data.window_seconds * 1_000)}`}
            tone={breaches.length > 0 ? 'retried' : 'done'}
            from="atum_sla_breaches_total"
          />
          <Tile
            name="Noticed late by, p95"
            value={lateness.p95_seconds === null ? 'nothing was due' : duration(lateness.p95_seconds * 1_000)}
            note={`${lateness.steps} warnings, breaches and escalations`}
            tone={(lateness.p95_seconds ?? 0) > LATE_SECONDS ? 'failed' : 'done'}
            from="atum_sla_check_lateness_seconds"
          />
        </ul>
      </section>
      <section class="card" aria-labelledby="due-title">
        <div class="card-head">
          <h2 id="due-title">Due within the hour</h2>
        </div>
        {due_soon.length === 0 ? (
          <Blank title="Nothing is due within the hour" />
        ) : (
          <Table label="Due within the hour" heads={['Ticket', 'Priority', 'State', 'Due', '#Risk']}>
            {due_soon.map((ticket) => (
              <tr key={ticket.ticket_id}>
                <TicketCell ticket={ticket} />
                <td class={`priority priority-${ticket.priority}`}>{ticket.priority}</td>
                <td>
                  <Chip state={ticket.status} />
                </td>
                <td class="unbroken">
                  <Age at={ticket.sla_due_at} suffix=" ago" />
                </td>
                <td class="number">{ticket.sla_risk_score === null ? 'unknown' : chance(ticket.sla_risk_score)}</td>
              </tr>
            ))}
          </Table>
        )}
      </section>
      <section class="card" aria-labelledby="breaches-title">
        <div class="card-head">
          <h2 id="breaches-title">Breaches</h2>
          <span class="faint">noticed in the last {duration(data.window_seconds * 1_000)}, open or not</span>
        </div>
        {breaches.length === 0 ? (
          <Blank title={`No clock breached in the last ${duration(data.window_seconds * 1_000)}`} />
        ) : (
          <Table label="Breaches" heads={['Ticket', 'Clock', 'State', 'Breached', '#Noticed after']}>
            {breaches.map((breach) => (
              <tr key={`${breach.ticket_id} ${breach.clock} ${breach.cycle}`}>
                <TicketCell ticket={breach} />
                <td class="unbroken">
                  {spoken(breach.clock)}
                  {breach.cycle > 1 && ` ${breach.cycle}`}
                </td>
                <td>
                  <Chip state={breach.status} />
                </td>
                <td class="unbroken">
                  <Age at={breach.breached_at} suffix=" ago" />
                </td>
                <td class="number">{duration(Math.max(0, Date.parse(breach.noticed_at) - Date.parse(breach.breached_at)))}</td>
              </tr>
            ))}
          </Table>
        )}
      </section>
    </div>
  )
}

function TicketCell({ ticket }: { ticket: { ticket_id: string; number: number; subject: string } }) {
  return (
    <th scope="row">
      <a class="link" href={ticketAddress(ticket.ticket_id)}>
        #{ticket.number} <bdi>{ticket.subject}</bdi>
      </a>
    </th>
  )
}

function Table({ label, heads, children }: { label: string; heads: string[]; children: ComponentChildren }) {
  return (
    <div class="table-scroll" tabIndex={0} role="group" aria-label={label}>
      <table class="table">
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col" class={head.startsWith('#') ? 'number' : undefined}>
                {head.replace('#', '')}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  )
}
