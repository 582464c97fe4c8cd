import { z } from 'zod'
import { JOB_STATES } from '#machines/job.ts'
import { dependenciesOf } from './job-dependencies.ts'
import { readQueueLimits } from './job-limits.ts'
import type { QueueLimits } from './job-limits.ts'
import { readyLanes } from './job-claims.ts'
import { NO_TENANT } from './jobs.ts'
import { sql } from './sql.ts'
import type { DatabaseTransactionConnection } from './pool.ts'

/** Jobs before it and lanes beside it are counted up to this. */
export const COUNTED_MAX = 1_000

const standing = z.object({
  status: z.enum(JOB_STATES),
  queue: z.string(),
  tenant: z.string(),
  blocked_by: z.number(),
  /** Null where it is due. */
  due_at: z.date().nullable(),
  paused: z.boolean(),
  without_worker: z.boolean(),
  limit_key: z.string().nullable(),
  limit_max: z.number().nullable(),
  /** Jobs that take up its key's limit. */
  key_held: z.number(),
  /** Who has it, by its row or by a lease that is not recorded yet. */
  locked_by: z.number().nullable(),
  locked_at: z.date().nullable(),
  /** Jobs of its lane that go before it. */
  before: z.number(),
})

/** What CLAIM asks of a job and of what stands around it, at one moment. */
export interface JobWait extends z.infer<typeof standing> {
  /** The jobs that it still waits for. */
  dependencies: readonly number[]
  limits: QueueLimits | null
  /** Other organisations with due jobs in its queue: each of them gets as many places of a claim. */
  sharing: number
}

/** What a job waits for; null where there is none with this id. For the installation's role: queues and workers belong to no organisation. */
export async function readJobWait(tx: DatabaseTransactionConnection, id: number): Promise<JobWait | null> {
  const job = await readStanding(tx, id)
  if (!job) return null
  const waits = job.status === 'queued' || job.status === 'retried'
  if (!waits) return { ...job, dependencies: [], limits: null, sharing: 0 }
  const lanes = await readyLanes(tx, job.queue, COUNTED_MAX)
  return {
    ...job,
    dependencies: job.blocked_by > 0 ? await dependenciesOf(tx, id) : [],
    limits: await readQueueLimits(tx, job.queue),
    sharing: new Set(lanes.filter((lane) => lane.due_in_ms <= 0 && lane.tenant !== job.tenant).map((lane) => lane.tenant)).size,
  }
}

async function readStanding(tx: DatabaseTransactionConnection, id: number): Promise<z.infer<typeof standing> | null> {
  return tx.maybeOne(sql.type(standing)`
    select status, queue, coalesce(organization_id, ${NO_TENANT}) as tenant, blocked_by, case when run_after > now() then run_after end as due_at,
           exists (select from queues where queues.name = job.queue and paused_at is not null) as paused,
           not exists (select from workers where workers.status = 'active' and job.queue = any(workers.queues)) as without_worker,
           limit_key, limit_max,
           case when limit_key is null then 0 else (
             select count(*) from job_slots where job_slots.name = 'key ' || coalesce(organization_id, ${NO_TENANT}) || ' ' || limit_key
           ) end as key_held,
           coalesce(locked_by, lease.worker) as locked_by, coalesce(locked_at, lease.leased_at) as locked_at,
           (select count(*) from (
             (select from job_ready ready
               where ready.queue = job.queue and ready.tenant = coalesce(job.organization_id, ${NO_TENANT}) and ready.priority = job.priority
                 and ready.limit_key = coalesce(job.limit_key, '') and (ready.run_after, ready.job_id) < (job.run_after, job.id)
               limit ${COUNTED_MAX})
             union all
             (select from job_bundles bundle cross join unnest(bundle.job_ids) as member (job_id)
               where job.limit_key is null and bundle.queue = job.queue and bundle.tenant = coalesce(job.organization_id, ${NO_TENANT})
                 and bundle.priority = job.priority and bundle.run_after <= job.run_after and (bundle.run_after, member.job_id) < (job.run_after, job.id)
               limit ${COUNTED_MAX})
             limit ${COUNTED_MAX}
           ) as ahead) as before
      from job_queue job left join lateral (
        select worker, leased_at from job_leases cross join lateral unnest(job_ids, versions) as leased (job_id, version)
         where job.status in ('queued', 'retried') and leased.job_id = job.id and leased.version = job.version limit 1
      ) as lease on true
     where id = ${id}`)
}
