import { z } from 'zod'
import type { CommonQueryMethods } from '#db/pool.ts'
import { pastOutcomes, readSlaTicket } from '#db/sla.ts'
import type { SlaTicket } from '#db/sla.ts'
import { findPolicyOfTicket } from '#db/sla-policies.ts'
import { listSlaCycles } from '#db/sla-standings.ts'
import type { RecordedCycle } from '#db/sla-standings.ts'
import { intervalsOf, warningsOf } from '#sla/cycles.ts'
import type { Reading } from '#sla/cycles.ts'
import { HISTORY_ROWS, riskOf, usedShare } from '#sla/prediction.ts'
import { minutesToBreach, readTicketClocks } from '#sla/ticket-clocks.ts'

/** The shares of the target, in percent, at which a clock warns. */
const WARN_PERCENT = [50, 75]

const interval = z.object({ from: z.date(), to: z.date(), counted_seconds: z.number() })
const cycle = z.object({
  clock: z.string(),
  cycle: z.number(),
  state: z.enum(['running', 'paused', 'breached', 'met', 'missed', 'cancelled']),
  target_seconds: z.number(),
  elapsed_seconds: z.number(),
  remaining_seconds: z.number(),
  started_at: z.date(),
  due_at: z.date().nullable(),
  breached_at: z.date().nullable(),
  breach_reason: z.enum(['due', 'retroactive']).nullable(),
  fulfilled_at: z.date().nullable(),
  warnings: z.array(z.object({ percent: z.number(), at: z.date() })),
  intervals: z.array(interval).describe('What was counted, and so why the clock stands where it stands'),
})
type Cycle = z.infer<typeof cycle>

/** How the clocks of a ticket stand; what concerns no clock by name is said of the resolution. */
export const ticketSla = z
  .object({
    ticket_id: z.string(),
    policy: z.object({ id: z.string(), name: z.string(), calendar_id: z.string().nullable() }).nullable(),
    started_at: z.date().nullable(),
    due_at: z.date().nullable().describe('Null while the clock stands still, and where none runs'),
    elapsed_seconds: z.number().nullable(),
    remaining_seconds: z.number().nullable(),
    breached_at: z.date().nullable(),
    time_to_breach_minutes: z.number().nullable(),
    risk: z.number().nullable().describe('Probability of missing the target'),
    risk_basis: z.string().describe('What the risk was computed from'),
    risk_history_rows: z.number().describe('Past clocks that were asked'),
    cycles: z.array(cycle),
    intervals: z.array(interval),
  })
  .meta({ id: 'TicketSla' })
export type TicketSla = z.infer<typeof ticketSla>

/** Reads the clocks of a ticket as they stand now, and what was recorded of them; null where there is no such ticket. */
export async function readTicketSla(db: CommonQueryMethods, ticketId: string): Promise<TicketSla | null> {
  const ticket = await readSlaTicket(db, ticketId)
  if (!ticket) return null
  const now = ticket.now.getTime()
  const clocks = readTicketClocks(ticket, now)
  const policy = await findPolicyOfTicket(db, ticketId)
  const recorded = await listSlaCycles(db, ticketId)
  const cycles = (['first_response', 'resolution'] as const).flatMap((clock) => cyclesOf(clock, clocks[clock], recorded, now))
  const resolution = cycles.findLast(({ clock }) => clock === 'resolution')
  const isRunning = resolution !== undefined && resolution.fulfilled_at === null && resolution.state !== 'cancelled'
  return {
    ticket_id: ticketId,
    policy: policy && { id: policy.id, name: policy.name, calendar_id: policy.calendar_id },
    started_at: ticket.sla_started_at,
    due_at: isRunning ? resolution.due_at : null,
    elapsed_seconds: resolution?.elapsed_seconds ?? null,
    remaining_seconds: resolution?.remaining_seconds ?? null,
    breached_at: resolution?.breached_at ?? null,
    time_to_breach_minutes: minutesToBreach(clocks, now),
    ...(await riskNow(db, ticket, clocks.resolution)),
    cycles,
    intervals: resolution?.intervals ?? [],
  }
}

/** A ticket whose clock does not run has no risk, whatever clocks of its kind did. */
async function riskNow(
  db: CommonQueryMethods,
  ticket: SlaTicket,
  reading: Reading | null,
): Promise<Pick<TicketSla, 'risk' | 'risk_basis' | 'risk_history_rows'>> {
  const hasTarget = ticket.resolution_minutes?.[ticket.priority] != null
  if (hasTarget && !reading) return { risk: null, risk_basis: 'no_running_clock', risk_history_rows: 0 }
  const past = await pastOutcomes(db, ticket.priority, usedShare(reading), HISTORY_ROWS)
  const { risk, basis, rows } = riskOf({ hasTarget, reading }, past)
  return { risk, risk_basis: basis, risk_history_rows: rows }
}

/** The recorded cycles of a clock, and in the place of the current one how it stands now. A recorded breach stays. */
function cyclesOf(clock: string, reading: Reading | null, recorded: readonly RecordedCycle[], now: number): Cycle[] {
  const ofClock = recorded.filter((row) => row.clock === clock)
  if (!reading || reading.target === null) return ofClock.map(pastCycle)
  const breach = ofClock.find((row) => row.cycle === reading.cycle && row.breached_at !== null)
  return [...ofClock.filter((row) => row.cycle < reading.cycle).map(pastCycle), currentCycle(clock, reading, reading.target, breach, now)]
}

function pastCycle(row: RecordedCycle): Cycle {
  return { ...row, remaining_seconds: row.target_seconds - row.elapsed_seconds, warnings: [], intervals: [] }
}

function currentCycle(clock: string, reading: Reading, target: number, breach: RecordedCycle | undefined, now: number): Cycle {
  const date = (at: number | null | undefined): Date | null => (at == null ? null : new Date(at))
  return {
    clock,
    cycle: reading.cycle,
    state: reading.state,
    target_seconds: target / 1_000,
    elapsed_seconds: reading.elapsed / 1_000,
    remaining_seconds: (target - reading.elapsed) / 1_000,
    started_at: new Date(reading.counting.start),
    due_at: date(reading.due),
    breached_at: breach?.breached_at ?? date(reading.breach?.at),
    breach_reason: breach?.breach_reason ?? reading.breach?.reason ?? null,
    fulfilled_at: date(reading.fulfilled_at),
    warnings: warningsOf(reading, WARN_PERCENT, []).map(({ percent = 0, at }) => ({ percent, at: new Date(at) })),
    intervals: intervalsOf(reading, reading.fulfilled_at ?? now).map(({ from, to, counted_seconds }) => ({
      from: new Date(from),
      to: new Date(to),
      counted_seconds,
    })),
  }
}
