import type { SlaTicket } from '#db/sla-tickets.ts'
import { dueAt, elapsedMs } from './clock.ts'
import type { RiskQuestion, RiskRow } from './risk-columns.ts'
import { termAtInstant } from './terms.ts'
import { readTicketClocks } from './ticket-clocks.ts'
import type { ClockCycle, TicketClocks } from './ticket-clocks.ts'

/** Of each ended clock this many rows are made: as it stood when so much of its target was used up. */
const SHARES = [0, 0.2, 0.4, 0.6, 0.8] as const

/** How many clocks ran at an instant. */
export type LoadAt = (instant: number) => number

/**
 * What is known of a ticket's resolution at an instant, and nothing that came later. The list of what may be asked is this
 * function: no field of the ticket that changes without a trace of when is among them.
 */
export function riskQuestion(ticket: SlaTicket, { terms }: Pick<TicketClocks, 'terms'>, cycle: ClockCycle, instant: number, load: number): RiskQuestion | null {
  const term = termAtInstant(terms, instant)
  const target = term.targets.resolution
  if (target === null) return null
  const said = ticket.messages.filter(({ at, is_internal }) => !is_internal && at.getTime() <= instant)
  return {
    observed_at: instant,
    target_seconds: target / 1_000,
    elapsed_seconds: elapsedMs(cycle.reading.counting, instant) / 1_000,
    features: {
      priority: term.priority,
      service: ticket.service_id ?? '',
      requester: ticket.requester_id,
      status: ticket.transitions.findLast(({ at }) => at.getTime() <= instant)?.to_status ?? ticket.transitions[0]?.from_status ?? '',
      customer_messages: String(said.filter(({ from_staff }) => !from_staff).length),
      staff_replies: String(said.filter(({ from_staff, is_ai_generated }) => from_staff && !is_ai_generated).length),
      pauses: String(cycle.standstills.filter(({ from }) => from >= cycle.reading.counting.start && from <= instant).length),
      cycle: String(cycle.reading.cycle),
      load: String(load),
    },
  }
}

/** The rows that a solved ticket teaches: each of its ended cycles as it was while nobody knew yet. */
export function riskRows(ticket: SlaTicket, loadAt: LoadAt): RiskRow[] {
  const clocks = readTicketClocks(ticket, ticket.now.getTime())
  return clocks.cycles.flatMap((cycle) => {
    const { clock, reading, target } = cycle
    if (clock !== 'resolution' || reading.fulfilled_at === null) return []
    const end = reading.fulfilled_at
    return SHARES.flatMap((share): RiskRow[] => {
      const instant = share === 0 ? reading.counting.start : dueAt(reading.counting, target * share)
      if (instant === null || instant >= end) return []
      const question = riskQuestion(ticket, clocks, cycle, instant, loadAt(instant))
      // What was missed by then could no longer be foreseen.
      if (!question || question.elapsed_seconds >= question.target_seconds || (reading.breach && reading.breach.at <= instant)) return []
      const remaining_seconds = Math.max(0, reading.elapsed / 1_000 - question.elapsed_seconds)
      return [{ ...question, case_id: `${ticket.id} ${reading.cycle}`, breached: reading.breach !== null, remaining_seconds }]
    })
  })
}

/** How busy it was, out of when clocks ran. */
export function loadOf(spans: readonly { started: number; ended: number | null }[]): LoadAt {
  const starts = Float64Array.from(spans, ({ started }) => started).toSorted()
  const ends = Float64Array.from(
    spans.filter(({ ended }) => ended !== null),
    ({ ended }) => ended!,
  ).toSorted()
  return (instant) => countUpTo(starts, instant) - countUpTo(ends, instant)
}

function countUpTo(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! <= value) low = middle + 1
    else high = middle
  }
  return low
}
