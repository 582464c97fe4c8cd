import { z } from 'zod'
import { byStatus, readJobCounts } from './job-counts.ts'
import { oldestDue } from './job-lists.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods, DatabaseTransactionConnection } from './pool.ts'

const limitsRow = z.object({
  name: z.string(),
  paused: z.boolean(),
  concurrency: z.number().nullable(),
  rate_limit: z.number().nullable(),
  rate_period_seconds: z.number().nullable(),
  rate_tokens: z.number().nullable(),
  max_depth: z.number(),
  held: z.number().nullable(),
})

/** A queue with its limits, what is taken up of them, and its jobs. */
export interface QueueRow extends z.infer<typeof limitsRow> {
  /** Jobs that wait: queued and retried. */
  depth: number
  counts: Record<string, number>
  oldest_due_seconds: number | null
}

/** Every queue, with its jobs of one organisation where it is given. For the installation's role. */
export async function listQueues(tx: DatabaseTransactionConnection, organizationId: string | null): Promise<readonly QueueRow[]> {
  const queues = await listLimits(tx)
  const jobs = await readJobCounts(tx, organizationId)
  const oldest = await oldestDue(tx, organizationId)
  return queues.map((queue) => {
    const counts = byStatus(jobs.filter((count) => count.queue === queue.name))
    const depth = (counts['queued'] ?? 0) + (counts['retried'] ?? 0)
    return { ...queue, depth, counts, oldest_due_seconds: oldest.find((due) => due.queue === queue.name)?.seconds ?? null }
  })
}

async function listLimits(db: CommonQueryMethods): Promise<readonly z.infer<typeof limitsRow>[]> {
  return db.any(sql.type(limitsRow)`
    select name, paused_at is not null as paused, concurrency, rate_limit, rate_period_seconds,
           least(rate_limit, rate_tokens + extract(epoch from now() - rate_refilled_at)::float8 * rate_limit / rate_period_seconds) as rate_tokens,
           max_depth,
           case when concurrency is not null then (select count(*) from job_slots where job_slots.name = 'queue ' || queues.name) end as held
      from queues order by name`)
}

/** Pauses a queue, or resumes it: CLAIM passes over a paused one, what runs goes on. @returns false where there is no such queue */
export async function setQueuePaused(db: CommonQueryMethods, name: string, paused: boolean): Promise<boolean> {
  const row = await db.maybeOne(sql.type(z.object({ name: z.string() }))`
    update queues set paused_at = case when ${paused} then coalesce(paused_at, now()) end, updated_at = now() where name = ${name} returning name`)
  return row !== null
}

/** The limits of a queue; null is none. A rate has a period, and none has none. */
export interface QueueBounds {
  concurrency: number | null
  rate_limit: number | null
  rate_period_seconds: number | null
  max_depth: number
}

const bounds = z.object({
  concurrency: z.number().nullable(),
  rate_limit: z.number().nullable(),
  rate_period_seconds: z.number().nullable(),
  max_depth: z.number(),
}) satisfies z.ZodType<QueueBounds>

/** The limits of a queue, locked until the transaction ends; null where there is no such queue. */
export async function lockQueueBounds(db: CommonQueryMethods, name: string): Promise<QueueBounds | null> {
  return db.maybeOne(sql.type(bounds)`select concurrency, rate_limit, rate_period_seconds, max_depth from queues where name = ${name} for update`)
}

/**
 * Sets the limits of a queue; claims keep to them from now on, and jobs that are held already are let go on. A rate where
 * there was none begins with a full bucket; one that is changed keeps what its bucket holds.
 */
export async function setQueueBounds(
  db: CommonQueryMethods,
  name: string,
  { concurrency, rate_limit, rate_period_seconds, max_depth }: QueueBounds,
): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update queues
       set rate_tokens = case
             when ${rate_limit}::int is null then 0
             when rate_limit is null then ${rate_limit}::int
             else least(${rate_limit}::int, rate_limit, rate_tokens + extract(epoch from now() - rate_refilled_at)::float8 * rate_limit / rate_period_seconds) end,
           rate_refilled_at = now(),
           concurrency = ${concurrency}, rate_limit = ${rate_limit}, rate_period_seconds = ${rate_period_seconds}, max_depth = ${max_depth}, updated_at = now()
     where name = ${name}`)
}

const backlog = z.object({ max_depth: z.number(), waiting: z.number() })
export type Backlog = z.infer<typeof backlog>

/** How many jobs of a queue may be claimed or are to become due, counted up to one more than its bound; null where it has no row. */
export async function readBacklog(db: CommonQueryMethods, queue: string): Promise<Backlog | null> {
  return db.maybeOne(sql.type(backlog)`
    select max_depth, least(max_depth + 1,
             (select count(*) from (select from job_ready where job_ready.queue = ${queue} limit max_depth + 1) as counted)
             + (select coalesce(sum(cardinality(job_ids)), 0) from (select job_ids from job_bundles where job_bundles.queue = ${queue} limit max_depth + 1) as counted)) as waiting
      from queues where name = ${queue}`)
}
