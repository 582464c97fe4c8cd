import { pastOutcomes } from '#db/sla.ts'
import type { SlaTicket } from '#db/sla-tickets.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import type { Reading } from './cycles.ts'
import { HISTORY_ROWS, riskOf, usedShare } from './prediction.ts'
import type { Risk } from './prediction.ts'

/** The risk of a ticket's resolution as its clock stands. A ticket whose clock does not run has none, whatever clocks of its kind did. */
export async function readRisk(db: CommonQueryMethods, ticket: SlaTicket, resolution: Reading | null): Promise<Risk> {
  if (ticket.policy_id === null) return { risk: null, basis: 'no_policy', rows: 0 }
  if (!resolution) return { risk: null, basis: hasTarget(ticket) ? 'no_running_clock' : 'no_policy', rows: 0 }
  const past = await pastOutcomes(db, ticket.priority, usedShare(resolution), HISTORY_ROWS)
  return riskOf({ hasTarget: true, reading: resolution }, past)
}

/** Whether the policy has a target for the ticket's priority, should its clock begin. */
function hasTarget({ policies, policy_id, priority }: SlaTicket): boolean {
  return policies.get(policy_id ?? '')?.terms.at(-1)?.resolution_minutes[priority] != null
}
