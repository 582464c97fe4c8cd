import type { SlaCycle, SlaTicket } from '#db/sla.ts'
import { calendarOf } from './calendars.ts'
import { readCycles } from './cycles.ts'
import type { History, Reading, Term } from './cycles.ts'
import type { Pause } from './clock.ts'
import { firstResponse } from './response.ts'
import type { Utterance } from './response.ts'

const MINUTE_MS = 60_000

/** How a ticket's clocks stand. A clock without a start or a target is null, and so are those of a cancelled ticket. */
export interface TicketClocks {
  first_response: Reading | null
  resolution: Reading | null
}

/** Reads a ticket's clocks at `now` (milliseconds since 1970) out of what happened to it. Pure. */
export function readTicketClocks(ticket: SlaTicket, now: number): TicketClocks {
  const start = ticket.sla_started_at?.getTime()
  if (start === undefined || ticket.status === 'cancelled') return { first_response: null, resolution: null }
  const { pauses, solved_at } = standstills(ticket)
  const read = (minutes: SlaTicket['resolution_minutes'], solved: number | null): Reading | null => {
    const terms = termsOf(ticket, start, minutes)
    if (terms.every(({ target }) => target === null)) return null
    return readCycles({ start, terms, pauses, solved_at: solved, reopened_at: null, mode: 'resume' } satisfies History, now).at(-1)!
  }
  return {
    first_response: read(ticket.first_response_minutes, firstResponse(start, ticket.messages.map(utterance)).fulfilled_at),
    resolution: read(ticket.resolution_minutes, solved_at),
  }
}

/** The rows that record the clocks. */
export function cyclesOf(ticket: SlaTicket, clocks: TicketClocks): SlaCycle[] {
  return (['first_response', 'resolution'] as const).flatMap((clock) => {
    const reading = clocks[clock]
    return reading && reading.target !== null ? [cycleOf(ticket, clock, reading, reading.target)] : []
  })
}

/** Whole minutes from `now` until the resolution is due: 0 once it was due, null where no clock runs. */
export function minutesToBreach({ resolution }: TicketClocks, now: number): number | null {
  if (!resolution || resolution.fulfilled_at !== null || resolution.state === 'paused' || resolution.due === null) return null
  return Math.max(0, Math.floor((resolution.due - now) / MINUTE_MS))
}

function cycleOf(ticket: SlaTicket, clock: SlaCycle['clock'], reading: Reading, target: number): SlaCycle {
  const date = (at: number | null | undefined): Date | null => (at == null ? null : new Date(at))
  return {
    ticket_id: ticket.id,
    clock,
    cycle: reading.cycle,
    state: reading.state,
    priority: ticket.priority,
    target_seconds: target / 1_000,
    elapsed_seconds: reading.elapsed / 1_000,
    started_at: new Date(reading.counting.start),
    due_at: date(reading.due),
    breached_at: date(reading.breach?.at),
    breach_reason: reading.breach?.reason ?? null,
    fulfilled_at: date(reading.fulfilled_at),
  }
}

/** The target over time: each change of priority recomputes from the original start. */
function termsOf(ticket: SlaTicket, start: number, minutes: SlaTicket['resolution_minutes']): Term[] {
  const calendar = calendarOf(ticket.calendar)
  const target = (priority: SlaTicket['priority']): number | null => {
    const given = minutes?.[priority]
    return given == null ? null : given * MINUTE_MS
  }
  const changes = ticket.transitions.filter(({ from_priority, to_priority }) => from_priority !== to_priority)
  const early = changes.findLast(({ at }) => at.getTime() <= start)
  const first = early?.to_priority ?? changes[0]?.from_priority ?? ticket.priority
  const later = changes.filter(({ at }) => at.getTime() > start).map(({ at, to_priority }) => ({ at: at.getTime(), target: target(to_priority), calendar }))
  return [{ at: start, target: target(first), calendar }, ...later]
}

/** Waiting for the customer stands still, and so does the time between a solution and its reopening. */
function standstills(ticket: SlaTicket): { pauses: Pause[]; solved_at: number | null } {
  const pauses: Pause[] = []
  let waitingSince: number | null = null
  let solvedAt: number | null = null
  for (const { to_status, at } of ticket.transitions) {
    const moment = at.getTime()
    if (to_status === 'waiting_customer') waitingSince ??= moment
    else if (waitingSince !== null) {
      pauses.push({ from: waitingSince, to: moment })
      waitingSince = null
    }
    if (to_status === 'resolved') solvedAt ??= moment
    else if (solvedAt !== null && to_status !== 'closed') {
      pauses.push({ from: solvedAt, to: moment })
      solvedAt = null
    }
  }
  if (waitingSince !== null) pauses.push({ from: waitingSince, to: null })
  const isSolved = ticket.status === 'resolved' || ticket.status === 'closed'
  return { pauses, solved_at: isSolved ? (solvedAt ?? ticket.resolved_at?.getTime() ?? null) : null }
}

function utterance({ is_internal, is_ai_generated, from_staff, at }: SlaTicket['messages'][number]): Utterance {
  const kind = is_internal ? 'internal_note' : is_ai_generated ? 'auto_reply' : from_staff ? 'public_reply' : 'customer_message'
  return { kind, at: at.getTime() }
}
