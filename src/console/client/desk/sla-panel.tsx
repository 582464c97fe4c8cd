import { readIfThere } from '../api.ts'
import { serverNow } from '../connection.ts'
import { Age, Chip } from '../marks.tsx'
import { useNow, usePolling } from '../polling.ts'
import { spoken } from '../states.ts'
import { chance, duration, exact } from '../times.ts'
import type { Sla, SlaCycle, Ticket } from './shapes.ts'

const SLA_MS = 10_000

/** How the ticket's clocks stand, and what was counted: the reason why. */
export function SlaPanel({ ticket }: { ticket: Ticket }) {
  const { data, error } = usePolling(`sla ${ticket.id} ${ticket.version}`, SLA_MS, (signal) => readIfThere<Sla>(`/tickets/${ticket.id}/sla`, signal))
  return (
    <section class="card" aria-labelledby="sla-title">
      <div class="card-head">
        <h2 id="sla-title">SLA</h2>
        {data?.policy && <span class="faint">{data.policy.name}</span>}
        {data?.risk != null && (
          <span class="faint number" title={`by ${spoken(data.risk_basis)}, from ${data.risk_history_rows} past clocks`}>
            {chance(data.risk)} risk
          </span>
        )}
      </div>
      {data?.cycles.map((cycle) => (
        <Clock key={`${cycle.clock} ${cycle.cycle}`} cycle={cycle} />
      ))}
      {data && data.cycles.length === 0 && (
        <p class="faint">{ticket.sla_started_at ? 'Its policy sets no target.' : 'The clock starts when the ticket is accepted.'}</p>
      )}
      {!data && error && <p class="bad">{error.message}</p>}
    </section>
  )
}

function Clock({ cycle }: { cycle: SlaCycle }) {
  const now = useNow(serverNow)
  const runs = cycle.state === 'running' || cycle.state === 'breached'
  // Between two answers the clock goes on: by the due time, which knows of opening hours.
  const left =
    runs && cycle.due_at && Date.parse(cycle.due_at) > now
      ? Math.min(cycle.remaining_seconds, (Date.parse(cycle.due_at) - now) / 1_000)
      : cycle.remaining_seconds
  const pauses = cycle.pauses ?? []
  return (
    <div class="clock">
      <p class="clock-line">
        <span>
          {spoken(cycle.clock)}
          {cycle.cycle > 1 && ` ${cycle.cycle}`}
        </span>
        <Chip state={cycle.state} />
        <span class="card-space" />
        <span class={`number${left < 0 ? ' bad' : ''}`}>
          {cycle.fulfilled_at ? '' : left < 0 ? `${duration(-left * 1_000)} over` : `${duration(left * 1_000)} left`}
        </span>
      </p>
      <progress
        class={left < 0 ? 'progress progress-over' : 'progress'}
        max={cycle.target_seconds}
        value={Math.min(cycle.target_seconds, cycle.target_seconds - left)}
        aria-label={`${spoken(cycle.clock)}: counted of its target`}
      />
      <details class="why">
        <summary>
          Why: {cycle.elapsed_seconds < 1 ? 'nothing' : duration(cycle.elapsed_seconds * 1_000)} of {duration(cycle.target_seconds * 1_000)} counted
          {cycle.due_at && (
            <>
              , due <Age at={cycle.due_at} suffix=" ago" />
            </>
          )}
        </summary>
        <ul>
          {cycle.intervals.map(({ from, to, counted_seconds }) => (
            <li key={from}>
              {exact(from).slice(0, 16)} to {exact(to).slice(0, 16)}: {duration(counted_seconds * 1_000)} counted
            </li>
          ))}
          {pauses.map(({ from, to, reason }) => (
            <li key={`pause ${from}`}>
              stood still from {exact(from).slice(0, 16)} {to ? `to ${exact(to).slice(0, 16)}` : 'on'}: {spoken(reason)}
            </li>
          ))}
          {cycle.breached_at && <li class="bad">breached {exact(cycle.breached_at).slice(0, 16)}</li>}
          {cycle.fulfilled_at && <li>fulfilled {exact(cycle.fulfilled_at).slice(0, 16)}</li>}
        </ul>
      </details>
    </div>
  )
}
