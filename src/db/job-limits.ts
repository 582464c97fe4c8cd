import { z } from 'zod'
import { prepared, sql } from './sql.ts'
import type { ClaimedRow, LaneQuota } from './job-claims.ts'
import type { CommonQueryMethods, DatabaseTransactionConnection } from './pool.ts'

const queueLimits = z.object({
  paused: z.boolean(),
  concurrency: z.number().nullable(),
  rate_limit: z.number().nullable(),
  rate_period_seconds: z.number().nullable(),
  /** Tokens in the bucket now. */
  tokens: z.number(),
  /** Jobs of the queue that are held and counted. */
  held: z.number(),
})
export type QueueLimits = z.infer<typeof queueLimits>

const columns = sql.fragment`
  paused_at is not null as paused, concurrency, rate_limit, rate_period_seconds,
  case when rate_limit is null then 0 else least(rate_limit, rate_tokens
    + extract(epoch from now() - rate_refilled_at)::float8 * rate_limit / rate_period_seconds) end as tokens,
  case when concurrency is null then 0 else (select count(*)::int from job_slots where job_slots.name = 'queue ' || queues.name) end as held`

/** The limits of a queue as they stand; null where it has no row. */
export async function readQueueLimits(db: CommonQueryMethods, queue: string): Promise<QueueLimits | null> {
  return db.maybeOne(prepared('queue-limits', sql.type(queueLimits)`select ${columns} from queues where name = ${queue}`))
}

/** The same, locked: claims of a limited queue go one after another, so that no two count the same free slot. */
export async function lockQueueLimits(tx: DatabaseTransactionConnection, queue: string): Promise<QueueLimits | null> {
  await tx.query(sql.typeAlias('void')`select from queues where name = ${queue} for update`)
  return readQueueLimits(tx, queue)
}

/** Whether a queue has a limit of its own. Pure. */
export function isLimited(limits: QueueLimits | null): boolean {
  return limits !== null && (limits.concurrency !== null || limits.rate_limit !== null)
}

/** How many jobs may be claimed now, at most `wanted`. Pure. */
export function allowedBy(limits: QueueLimits, wanted: number): number {
  const slots = limits.concurrency === null ? wanted : limits.concurrency - limits.held
  const tokens = limits.rate_limit === null ? wanted : Math.floor(limits.tokens)
  return Math.max(0, Math.min(wanted, slots, tokens))
}

/** Milliseconds until the bucket holds a whole token again; null where no rate limits the queue, or there is one. Pure. */
export function nextTokenMs({ rate_limit, rate_period_seconds, tokens }: QueueLimits): number | null {
  if (rate_limit === null || rate_period_seconds === null || tokens >= 1) return null
  return Math.ceil(((1 - tokens) * rate_period_seconds * 1_000) / rate_limit)
}

/** Serialises the claims of these keys until the transaction ends, and says how many slots each has left. */
export async function lockKeyLimits(tx: DatabaseTransactionConnection, lanes: readonly LaneQuota[]): Promise<ReadonlyMap<string, number>> {
  const keyed = lanes.filter((lane) => lane.limit_key !== '')
  if (keyed.length === 0) return new Map()
  const names = keyed.map(slotName)
  await tx.query(sql.typeAlias('void')`
    select pg_advisory_xact_lock(hashtextextended(name, 0)) from (select distinct name from unnest(${sql.array(names, 'text')}) as name order by name) as names`)
  const rows = await tx.any(sql.type(z.object({ name: z.string(), held: z.number() }))`
    select name, count(job_slots.job_id)::int as held from unnest(${sql.array(names, 'text')}) as name left join job_slots using (name) group by name`)
  return new Map(rows.map((row) => [row.name, row.held]))
}

/** Notes who takes up which limit, and what the claim cost the queue's bucket. */
export async function takeUpLimits(
  tx: DatabaseTransactionConnection,
  queue: string,
  limits: QueueLimits | null,
  jobs: readonly ClaimedRow[],
  lanes: readonly LaneQuota[],
): Promise<void> {
  if (jobs.length === 0) return
  const slots = jobs.flatMap((job) => [
    ...(lanes[job.lane - 1]!.limit_key === '' ? [] : [{ job: job.id, name: slotName(lanes[job.lane - 1]!) }]),
    ...(limits?.concurrency == null ? [] : [{ job: job.id, name: `queue ${queue}` }]),
  ])
  await tx.query(sql.typeAlias('void')`
    insert into job_slots (job_id, name) select * from unnest(${sql.array(
      slots.map((slot) => slot.job),
      'int8',
    )}, ${sql.array(
      slots.map((slot) => slot.name),
      'text',
    )})`)
  if (limits?.rate_limit == null) return
  await tx.query(sql.typeAlias('void')`update queues set rate_tokens = ${limits.tokens - jobs.length}, rate_refilled_at = now() where name = ${queue}`)
}

/** The name of a key's limit in job_slots. */
export function slotName({ tenant, limit_key }: { tenant: string; limit_key: string }): string {
  return `key ${tenant} ${limit_key}`
}
