import type { CommonQueryMethods } from '#db/pool.ts'
import { pastOutcomes } from '#db/sla.ts'
import { activeModelVersion, countOpenClocks, readModel } from '#db/sla-risk.ts'
import type { SlaPrediction } from '#db/sla-risk.ts'
import type { SlaTicket } from '#db/sla-tickets.ts'
import { dueAt } from './clock.ts'
import { HISTORY_ROWS, riskOf, usedShare } from './prediction.ts'
import type { Risk } from './prediction.ts'
import { riskQuestion } from './risk-features.ts'
import { remainingOf, risksOf } from './risk-model.ts'
import type { Remaining, RiskModel } from './risk-model.ts'
import type { ClockCycle, TicketClocks } from './ticket-clocks.ts'

/** Models of as many organisations are kept by one process. */
const MODELS_MAX = 50
const kept = new Map<string, { version: number; model: RiskModel }>()

/** A risk with what it was come by. */
export interface TicketRisk extends Risk {
  /** Of the model; null where none was asked. */
  version: number | null
  /** When the ticket will be solved, as a range that holds eight of ten; null where that is not foreseen, or while the clock stands still. */
  solved: { early: Date; likely: Date; late: Date } | null
}

/**
 * The risk of a ticket's resolution as its clock stands: by the organisation's model where one serves, else by what became
 * of clocks that had got as far, else the share of the target that is used up. A ticket whose clock does not run has none.
 */
export async function readRisk(db: CommonQueryMethods, ticket: SlaTicket, clocks: TicketClocks): Promise<TicketRisk> {
  const none = { version: null, solved: null }
  const { resolution } = clocks
  if (ticket.policy_id === null) return { ...none, risk: null, basis: 'no_policy', rows: 0 }
  if (!resolution) return { ...none, risk: null, basis: hasTarget(ticket) ? 'no_running_clock' : 'no_policy', rows: 0 }
  if (resolution.fulfilled_at !== null || resolution.breach) return { ...none, ...riskOf({ hasTarget: true, reading: resolution }, { rows: 0, missed: 0 }) }
  const foreseen = await foresee(db, ticket, clocks)
  if (foreseen) return foreseen
  return { ...none, ...riskOf({ hasTarget: true, reading: resolution }, await pastOutcomes(db, ticket.priority, usedShare(resolution), HISTORY_ROWS)) }
}

/** The row that keeps a prediction; null where nothing was predicted. */
export function predictionOf(ticket: SlaTicket, { resolution }: TicketClocks, { risk, basis, version, solved }: TicketRisk): SlaPrediction | null {
  if (risk === null || !resolution?.target) return null
  return {
    ticket_id: ticket.id,
    cycle: resolution.cycle,
    risk,
    basis,
    model_version: version,
    target_seconds: resolution.target / 1_000,
    elapsed_seconds: resolution.elapsed / 1_000,
    solved_early: solved?.early ?? null,
    solved_likely: solved?.likely ?? null,
    solved_late: solved?.late ?? null,
  }
}

async function foresee(db: CommonQueryMethods, ticket: SlaTicket, clocks: TicketClocks): Promise<TicketRisk | null> {
  const serving = await servingModel(db)
  const cycle = clocks.cycles.findLast(({ clock }) => clock === 'resolution')
  const question = serving && cycle ? riskQuestion(ticket, clocks, cycle, ticket.now.getTime(), await countOpenClocks(db)) : null
  if (!serving || !cycle || !question) return null
  const remaining = remainingOf(serving.model, [question])[0]!
  return {
    risk: risksOf(serving.model, [question])[0]!,
    basis: 'model',
    rows: serving.model.cases,
    version: serving.version,
    solved: remaining && instantsOf(cycle, remaining),
  }
}

async function servingModel(db: CommonQueryMethods): Promise<{ version: number; model: RiskModel } | null> {
  const active = await activeModelVersion(db)
  if (!active) return null
  const known = kept.get(active.organization_id)
  if (known?.version === active.version) return known
  const read = { version: active.version, model: (await readModel(db, active.version)) as RiskModel }
  kept.delete(active.organization_id)
  kept.set(active.organization_id, read)
  if (kept.size > MODELS_MAX) kept.delete(kept.keys().next().value!)
  return read
}

/** Business time that is left, as instants of the calendar. */
function instantsOf({ reading }: ClockCycle, remaining: Remaining): TicketRisk['solved'] {
  const at = (seconds: number): Date | null => {
    const instant = dueAt(reading.counting, reading.elapsed + Math.max(1, Math.round(seconds)) * 1_000)
    return instant === null ? null : new Date(instant)
  }
  const [early, likely, late] = [at(remaining.early), at(remaining.likely), at(remaining.late)]
  return early && likely && late ? { early, likely, late } : null
}

/** Whether the policy has a target for the ticket's priority, should its clock begin. */
function hasTarget({ policies, policy_id, priority }: SlaTicket): boolean {
  return policies.get(policy_id ?? '')?.terms.at(-1)?.resolution_minutes[priority] != null
}
