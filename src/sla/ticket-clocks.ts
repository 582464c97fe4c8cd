import type { SlaCycle } from '#db/sla.ts'
import type { SlaTicket } from '#db/sla-tickets.ts'
import { readCycle } from './cycles.ts'
import type { Reading } from './cycles.ts'
import type { Pause } from './clock.ts'
import { firstResponse, nextResponses } from './response.ts'
import type { Owed, Utterance } from './response.ts'
import { standstillsOf } from './standstills.ts'
import type { Standstill } from './standstills.ts'
import { CLOCKS, termsOf } from './terms.ts'
import type { Clock, TicketTerm } from './terms.ts'

const MINUTE_MS = 60_000

/** One cycle of one of a ticket's clocks. */
export interface ClockCycle {
  clock: Clock
  reading: Reading
  target: number
  /** Where this clock stood still, and why. */
  standstills: readonly Standstill[]
}

/** How a ticket's clocks stand. Without a start or a policy, and once a ticket is cancelled, there are none. */
export interface TicketClocks {
  /** Every cycle of every clock that has a target, the first one first. */
  cycles: readonly ClockCycle[]
  /** The current cycle of the resolution. */
  resolution: Reading | null
  terms: readonly TicketTerm[]
}

/** Reads a ticket's clocks at `now` (milliseconds since 1970) out of what happened to it. Pure. */
export function readTicketClocks(ticket: SlaTicket, now: number): TicketClocks {
  const start = ticket.sla_started_at?.getTime()
  const terms = start === undefined || ticket.status === 'cancelled' ? [] : termsOf(ticket, start)
  if (start === undefined || terms.length === 0) return { cycles: [], resolution: null, terms: [] }
  const { pauses, solved, resumed, cycles } = standstillsOf(ticket, start, terms)
  const said = ticket.messages.map(utterance)
  const owedOf: Record<Clock, { owed: readonly Owed[]; standstills: readonly Standstill[] }> = {
    first_response: { owed: [firstResponse(start, said)], standstills: [...pauses, ...solved] },
    next_response: { owed: owedSince(start, nextResponses(said)), standstills: [...pauses, ...solved] },
    resolution: { owed: cycles.map((cycle) => ({ start: cycle.start, fulfilled_at: cycle.solved_at })), standstills: [...pauses, ...resumed] },
  }
  const read = CLOCKS.flatMap((clock) =>
    owedOf[clock].owed.flatMap((owed, index) => {
      const { standstills } = owedOf[clock]
      const reading = readOwed(clock, owed, { terms, pauses: standstills, cycle: index + 1, now })
      return reading.target === null ? [] : [{ clock, reading, target: reading.target, standstills }]
    }),
  )
  return { cycles: read, resolution: read.findLast(({ clock }) => clock === 'resolution')?.reading ?? null, terms }
}

/** The rows that record the clocks. */
export function cyclesOf(ticket: SlaTicket, clocks: TicketClocks): SlaCycle[] {
  const date = (at: number | null | undefined): Date | null => (at == null ? null : new Date(at))
  return clocks.cycles.map(({ clock, reading, target }) => ({
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
  }))
}

/** Whole minutes from `now` until the resolution is due: 0 once it was due, null where no clock runs. */
export function minutesToBreach({ resolution }: Pick<TicketClocks, 'resolution'>, now: number): number | null {
  if (!resolution || resolution.fulfilled_at !== null || resolution.state === 'paused' || resolution.due === null) return null
  return Math.max(0, Math.floor((resolution.due - now) / MINUTE_MS))
}

function readOwed(clock: Clock, owed: Owed, at: { terms: readonly TicketTerm[]; pauses: readonly Pause[]; cycle: number; now: number }): Reading {
  const held = at.terms.filter((_, index) => (at.terms[index + 1]?.at ?? Number.POSITIVE_INFINITY) > owed.start)
  const terms = held.map((term) => ({ at: term.at, target: term.targets[clock], calendar: term.calendar }))
  return readCycle({ start: owed.start, terms, pauses: at.pauses }, at.now, at.cycle, owed.fulfilled_at)
}

/** Nothing is owed before the service level begins. */
function owedSince(start: number, owed: readonly Owed[]): Owed[] {
  return owed.filter(({ fulfilled_at }) => fulfilled_at === null || fulfilled_at > start).map((one) => ({ ...one, start: Math.max(start, one.start) }))
}

function utterance({ is_internal, is_ai_generated, from_staff, at }: SlaTicket['messages'][number]): Utterance {
  const kind = is_internal ? 'internal_note' : is_ai_generated ? 'auto_reply' : from_staff ? 'public_reply' : 'customer_message'
  return { kind, at: at.getTime() }
}
