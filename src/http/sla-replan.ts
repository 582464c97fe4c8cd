import { enqueueJobs } from '#db/job-enqueue.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { hasJobEngine } from '#db/ticket-ai.ts'
import { newJob } from '#jobs/job-type.ts'
import { slaCheck } from '#jobs/sla-check.ts'

/** Has every open clock of the organisation planned anew, in the caller's transaction. @returns the queues in which that waits */
export async function replanClocks(tx: CommonQueryMethods, organizationId: string): Promise<string[]> {
  if (!(await hasJobEngine(tx))) return []
  await enqueueJobs(tx, [newJob(slaCheck, organizationId, {})])
  return [slaCheck.queue]
}

/** Has the clocks of a ticket looked at whose conversation went on, in the caller's transaction. @returns the queues in which that waits */
export async function recheckClocks(
  tx: CommonQueryMethods,
  organizationId: string,
  { id, sla_started_at }: { id: string; sla_started_at: Date | null },
): Promise<string[]> {
  if (sla_started_at === null || !(await hasJobEngine(tx))) return []
  await enqueueJobs(tx, [newJob(slaCheck, organizationId, { ticket_id: id })])
  return [slaCheck.queue]
}
