import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const queueRow = z.object({
  name: z.string(),
  paused: z.boolean(),
  concurrency: z.number().nullable(),
  max_depth: z.number(),
  counts: z.record(z.string(), z.number()),
  oldest_due_seconds: z.number().nullable(),
})
export type QueueRow = z.infer<typeof queueRow>

/** Every queue with its jobs by state, of one organisation where it is given, and the age of its oldest due job. */
export async function listQueues(db: CommonQueryMethods, organizationId: string | null): Promise<readonly QueueRow[]> {
  return db.any(sql.type(queueRow)`
    with depth as (
      select queue, status, count(*) as jobs,
             max(extract(epoch from now() - run_after)) filter (where status in ('queued', 'retried') and run_after <= now())::float8 as oldest
        from job_queue where ${organizationId}::uuid is null or organization_id = ${organizationId}::uuid group by queue, status
    )
    select name, paused_at is not null as paused, concurrency, max_depth,
           coalesce((select jsonb_object_agg(status, jobs) from depth where queue = name), '{}') as counts,
           (select max(oldest) from depth where queue = name) as oldest_due_seconds
      from queues order by name`)
}

/** Pauses a queue, or resumes it: CLAIM passes over a paused one, what runs goes on. @returns false where there is no such queue */
export async function setQueuePaused(db: CommonQueryMethods, name: string, paused: boolean): Promise<boolean> {
  const row = await db.maybeOne(sql.type(z.object({ name: z.string() }))`
    update queues set paused_at = case when ${paused} then coalesce(paused_at, now()) end, updated_at = now() where name = ${name} returning name`)
  return row !== null
}
