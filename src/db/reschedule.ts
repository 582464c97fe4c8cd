import { NO_TENANT } from './jobs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/**
 * Changes when a waiting job is due. Its place in its lane, alone or in a bundle, is locked first, in the order in which CLAIM locks the two:
 * whoever claims it meanwhile and this one never wait for each other.
 *
 * @returns false where the job waits no more, or is being claimed
 */
export async function rescheduleJob(tx: CommonQueryMethods, id: number, run_after: string): Promise<boolean> {
  const alone = await tx.maybeOne(sql.typeAlias('id')`
    select ready.job_id as id
      from job_queue job join job_ready ready
        on ready.queue = job.queue and ready.tenant = coalesce(job.organization_id, ${NO_TENANT}) and ready.priority = job.priority
       and ready.limit_key = coalesce(job.limit_key, '') and ready.run_after = job.run_after and ready.job_id = job.id
     where job.id = ${id} for update of ready skip locked`)
  const place =
    alone ??
    (await tx.maybeOne(sql.typeAlias('id')`
    select bundle.last_id as id
      from job_queue job join job_bundles bundle
        on bundle.queue = job.queue and bundle.tenant = coalesce(job.organization_id, ${NO_TENANT}) and bundle.priority = job.priority
       and bundle.run_after = job.run_after and bundle.last_id >= job.id and job.id = any(bundle.job_ids)
     where job.id = ${id} and job.version = 1 for update of bundle skip locked`))
  const moved = await tx.maybeOne(sql.typeAlias('id')`
    update job_queue set run_after = ${run_after}::timestamptz, updated_at = now()
     where id = ${id} and status in ('queued', 'retried') and (${place !== null} or blocked_by > 0)
    returning id`)
  return moved !== null
}
