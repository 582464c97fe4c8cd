import type { SlaCycle } from '#db/sla.ts'
import type { SlaTicket } from '#db/sla-tickets.ts'
import { dueAt } from './clock.ts'
import { stepAt, stepsOf } from './steps.ts'
import type { Step } from './steps.ts'
import { cyclesOf, minutesToBreach, readTicketClocks } from './ticket-clocks.ts'
import type { ClockCycle, TicketClocks } from './ticket-clocks.ts'
import type { Clock } from './terms.ts'

/** The risk is worked out again each time this share of the target is used up. */
const RISK_SHARES = 20
const BREACH = 'breach'

/** A step whose time has come and that was not taken yet; `breach` among them. */
export interface DueStep {
  ticket_id: string
  clock: Clock
  cycle: number
  step: string
  action: 'breach' | Step['action']
  to: Step['to'] | null
  due_at: Date
}

/** What a look at a ticket's clocks found. */
export interface Finding {
  clocks: TicketClocks
  cycles: SlaCycle[]
  standing: { ticket_id: string; due_at: Date | null; time_to_breach_minutes: number | null }
  steps: DueStep[]
  /** When to look again; null: not before something happens. */
  next_check_at: Date | null
}

/** Looks at a ticket's clocks: how they stand, what is due, and when to look again. Pure. */
export function checkTicket(ticket: SlaTicket, now: number): Finding {
  const clocks = readTicketClocks(ticket, now)
  const taken = new Set(ticket.steps_taken)
  const due = clocks.resolution?.due ?? null
  const plans = clocks.cycles.map((cycle) => planOf(ticket, cycle, taken, now))
  const later = [...plans.flatMap(({ later }) => later), ...riskInstants(clocks, now)]
  return {
    clocks,
    cycles: cyclesOf(ticket, clocks),
    standing: { ticket_id: ticket.id, due_at: due === null ? null : new Date(due), time_to_breach_minutes: minutesToBreach(clocks, now) },
    steps: plans.flatMap(({ steps }) => steps),
    next_check_at: later.length === 0 ? null : new Date(Math.min(...later)),
  }
}

function planOf(ticket: SlaTicket, { clock, reading }: ClockCycle, taken: ReadonlySet<string>, now: number): { steps: DueStep[]; later: number[] } {
  const isTaken = (step: string): boolean => taken.has(`${clock} ${reading.cycle} ${step}`)
  const dueStep = (step: Pick<DueStep, 'step' | 'action' | 'to'>, at: number): DueStep => ({
    ticket_id: ticket.id,
    clock,
    cycle: reading.cycle,
    due_at: new Date(at),
    ...step,
  })
  const steps = reading.breach && !isTaken(BREACH) ? [dueStep({ step: BREACH, action: BREACH, to: null }, reading.breach.at)] : []
  if (reading.fulfilled_at !== null) return { steps, later: [] }
  const later = !reading.breach && reading.due !== null ? [Math.ceil(reading.due)] : []
  const policy = ticket.policies.get(ticket.policy_id ?? '')
  for (const step of policy ? stepsOf(policy, clock) : []) {
    const at = isTaken(step.key) ? null : stepAt(reading, step)
    if (at === null) continue
    if (at <= now) steps.push(dueStep({ step: step.key, action: step.action, to: step.to ?? null }, at))
    else later.push(at)
  }
  return { steps, later }
}

/** When the next share of the resolution's target will be used up. */
function riskInstants({ resolution }: TicketClocks, now: number): number[] {
  if (!resolution?.target || resolution.fulfilled_at !== null || resolution.breach) return []
  const used = Math.floor((resolution.elapsed / resolution.target) * RISK_SHARES)
  const at = dueAt(resolution.counting, (resolution.target * (used + 1)) / RISK_SHARES)
  return at === null ? [] : [Math.max(now + 1, Math.ceil(at))]
}
