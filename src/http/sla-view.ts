import { z } from 'zod'
import type { CommonQueryMethods } from '#db/pool.ts'
import { listTakenSteps, takenRow } from '#db/sla-steps.ts'
import { readSlaTicket } from '#db/sla-tickets.ts'
import type { SlaTicket } from '#db/sla-tickets.ts'
import { listSlaCycles } from '#db/sla-standings.ts'
import type { RecordedCycle } from '#db/sla-standings.ts'
import { intervalsOf } from '#sla/cycles.ts'
import { readRisk } from '#sla/risk.ts'
import { stepAt, stepsOf } from '#sla/steps.ts'
import { minutesToBreach, readTicketClocks } from '#sla/ticket-clocks.ts'
import type { ClockCycle, TicketClocks } from '#sla/ticket-clocks.ts'

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
  warnings: z.array(z.object({ percent: z.number().optional(), minutes_before: z.number().optional(), at: z.date() })),
  pauses: z.array(z.object({ from: z.date(), to: z.date().nullable(), reason: z.string() })).describe('Where the clock stood still, and for which status'),
  intervals: z.array(interval).describe('What was counted, and so why the clock stands where it stands'),
})
type Cycle = z.infer<typeof cycle>

const term = z.object({
  from: z.date(),
  policy_id: z.string(),
  priority: z.string(),
  first_response_seconds: z.number().nullable(),
  next_response_seconds: z.number().nullable(),
  resolution_seconds: z.number().nullable(),
})

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
    next_check_at: z.date().nullable().describe('When something is due next'),
    risk: z.number().nullable().describe('Probability of missing the target'),
    risk_basis: z.string().describe('What the risk was computed from'),
    risk_history_rows: z.number().describe('Past clocks that were asked, or that the model learned from'),
    risk_model_version: z.number().nullable().describe('Null where no model was asked: there is too little history for one'),
    solved: z
      .object({ early: z.date(), likely: z.date(), late: z.date() })
      .nullable()
      .describe('When it will be solved: eight of ten lie between early and late; null where that is not foreseen'),
    cycles: z.array(cycle),
    intervals: z.array(interval),
    terms: z.array(term).describe('What held from when on: the priority, the policy and its targets'),
    steps_taken: z.array(takenRow).describe('Breaches, warnings and escalations that were recorded; for staff'),
  })
  .meta({ id: 'TicketSla' })
export type TicketSla = z.infer<typeof ticketSla>

/** Reads the clocks of a ticket as they stand now, and what was recorded of them; null where there is no such ticket. */
export async function readTicketSla(db: CommonQueryMethods, ticketId: string, sees: { internal: boolean }): Promise<TicketSla | null> {
  const ticket = await readSlaTicket(db, ticketId)
  if (!ticket) return null
  const now = ticket.now.getTime()
  const clocks = readTicketClocks(ticket, now)
  const recorded = await listSlaCycles(db, ticketId)
  const cycles = cyclesOf(ticket, clocks, recorded, now)
  const resolution = cycles.findLast(({ clock }) => clock === 'resolution')
  const isRunning = resolution !== undefined && resolution.fulfilled_at === null && resolution.state !== 'cancelled'
  const { risk, basis, rows, version, solved } = await readRisk(db, ticket, clocks)
  return {
    ticket_id: ticketId,
    policy: ticket.policies.get(ticket.policy_id ?? '') ?? null,
    started_at: ticket.sla_started_at,
    due_at: isRunning ? resolution.due_at : null,
    elapsed_seconds: resolution?.elapsed_seconds ?? null,
    remaining_seconds: resolution?.remaining_seconds ?? null,
    breached_at: resolution?.breached_at ?? null,
    time_to_breach_minutes: minutesToBreach(clocks, now),
    next_check_at: ticket.next_check_at,
    risk,
    risk_basis: basis,
    risk_history_rows: rows,
    risk_model_version: version,
    solved,
    cycles,
    intervals: resolution?.intervals ?? [],
    terms: termsShown(clocks),
    steps_taken: sees.internal ? [...(await listTakenSteps(db, ticketId))] : [],
  }
}

/** The cycles as the facts give them, or where they give none (a cancelled ticket) as they were recorded. A recorded breach stays. */
function cyclesOf(ticket: SlaTicket, { cycles }: TicketClocks, recorded: readonly RecordedCycle[], now: number): Cycle[] {
  if (cycles.length === 0)
    return recorded.map((row) => ({ ...row, remaining_seconds: row.target_seconds - row.elapsed_seconds, warnings: [], pauses: [], intervals: [] }))
  return cycles.map((cycle) => {
    const breach = recorded.find((row) => row.clock === cycle.clock && row.cycle === cycle.reading.cycle && row.breached_at !== null)
    return cycleOf(ticket, cycle, breach, now)
  })
}

function cycleOf(ticket: SlaTicket, { clock, reading, target, standstills }: ClockCycle, breach: RecordedCycle | undefined, now: number): Cycle {
  const date = (at: number | null | undefined): Date | null => (at == null ? null : new Date(at))
  const end = reading.fulfilled_at ?? now
  return {
    clock,
    cycle: reading.cycle,
    state: stateOf(reading.state, breach),
    target_seconds: target / 1_000,
    elapsed_seconds: reading.elapsed / 1_000,
    remaining_seconds: (target - reading.elapsed) / 1_000,
    started_at: new Date(reading.counting.start),
    due_at: date(reading.due),
    breached_at: breach?.breached_at ?? date(reading.breach?.at),
    breach_reason: breach?.breach_reason ?? reading.breach?.reason ?? null,
    fulfilled_at: date(reading.fulfilled_at),
    warnings: warningsOf(ticket, { clock, reading }),
    pauses: standstills
      .filter(({ from, to }) => from < end && (to === null || to > reading.counting.start))
      .toSorted((a, b) => a.from - b.from)
      .map(({ from, to, reason }) => ({ from: new Date(from), to: date(to), reason })),
    intervals: intervalsOf(reading, end).map(({ from, to, counted_seconds }) => ({ from: new Date(from), to: new Date(to), counted_seconds })),
  }
}

/** A breach that is recorded is one, whatever the terms say by now. */
function stateOf(state: Cycle['state'], breach: RecordedCycle | undefined): Cycle['state'] {
  if (!breach) return state
  return state === 'met' ? 'missed' : state === 'running' || state === 'paused' ? 'breached' : state
}

function warningsOf({ policies, policy_id }: SlaTicket, { clock, reading }: Pick<ClockCycle, 'clock' | 'reading'>): Cycle['warnings'] {
  const policy = policies.get(policy_id ?? '')
  const steps = policy ? stepsOf(policy, clock).filter(({ action }) => action === 'warn') : []
  return steps.flatMap((step) => {
    const at = stepAt(reading, step)
    const when = step.percent === undefined ? { minutes_before: step.minutes_before } : { percent: step.percent }
    return at === null ? [] : [{ ...when, at: new Date(at) }]
  })
}

function termsShown({ terms }: TicketClocks): TicketSla['terms'] {
  const seconds = (target: number | null): number | null => (target === null ? null : target / 1_000)
  return terms.map(({ at, policy_id, priority, targets }) => ({
    from: new Date(at),
    policy_id,
    priority,
    first_response_seconds: seconds(targets.first_response),
    next_response_seconds: seconds(targets.next_response),
    resolution_seconds: seconds(targets.resolution),
  }))
}
