import { z } from 'zod'
import { openEnqueue } from './job-traces.ts'
import { keepKeys, takeKeys } from './job-kept-keys.ts'
import type { KeptJob } from './job-kept-keys.ts'
import { NO_TENANT } from './jobs.ts'
import { isPlain, plainJobs, told } from './plain-jobs.ts'
import { inTransaction } from './pool.ts'
import { prepared, sql } from './sql.ts'
import { countWhenCommitted } from './transition-counts.ts'
import type { CommonQueryMethods } from './pool.ts'

/** A job to enqueue. `delay_ms` counts from the transaction's time. */
export interface NewJob {
  organization_id: string | null
  job_type: string
  queue: string
  max_attempts: number
  payload: unknown
  priority?: number
  delay_ms?: number
  unique_key?: string | null
  /** So long from its ENQUEUE on no other job with a period gets its key, whatever becomes of it, unless it fails or is cancelled. */
  unique_for_ms?: number | null
  /** At most `limit_max` jobs of the organisation with this key are held at a time. */
  limit_key?: string | null
  limit_max?: number | null
  /** How many jobs it waits for; enqueueDependent counts them. */
  blocked_by?: number
}

/** What tells the workers of jobs in these queues as the transaction commits; null where whoever enqueues tells them after it. */
export type WakeAtCommit = (queues: readonly string[]) => string | null

/**
 * ENQUEUE, in the caller's transaction: the rows, their places in the lanes and their first events in one statement.
 *
 * @param wake asked once; without it nobody is told
 * @returns the ids in the order of `jobs`; null where a live job of the organisation has the same type and unique key, or one keeps it for its period
 */
export async function enqueueJobs(db: CommonQueryMethods, jobs: readonly NewJob[], wake?: WakeAtCommit): Promise<(number | null)[]> {
  if (jobs.some((job) => job.unique_for_ms != null)) return enqueueForPeriods(db, jobs, wake)
  if (jobs.length === 0) return []
  const happening = openEnqueue(jobs)
  try {
    const enqueued = await insertOf(jobs)(db, jobs, { traceparent: happening?.traceparent ?? null, message: wakeMessage(jobs, wake) })
    countEnqueued(
      db,
      jobs.filter((_, index) => enqueued[index] !== null),
    )
    return enqueued
  } finally {
    happening?.end()
  }
}

/** The least that these jobs need. */
function insertOf(jobs: readonly NewJob[]): typeof insertJobs {
  if (jobs.length < BUNDLED_MIN) return jobs.every(isPlain) ? insertPlainJobs : insertJobs
  return isPlain(jobs[0]!) && jobs.every((job, at) => at === 0 || isAlike(job, jobs[at - 1]!)) ? insertAlikeJobs : insertJobs
}

/** What is told of jobs as they commit, or null. */
export function wakeMessage(jobs: readonly NewJob[], wake: WakeAtCommit | undefined): string | null {
  return wake?.([...new Set(jobs.map((job) => job.queue))]) ?? null
}

/** Feeds the metric of transitions with jobs that `db` has just enqueued. */
export function countEnqueued(db: CommonQueryMethods, jobs: readonly NewJob[]): void {
  const counts = new Map<string, number>()
  for (const { job_type } of jobs) counts.set(job_type, (counts.get(job_type) ?? 0) + 1)
  countWhenCommitted(
    db,
    [...counts].map(([job_type, times]) => ({ job_type, event: 'ENQUEUE', from: '', to: 'queued', times })),
  )
}

/** What goes with jobs: by which their traces continue this one, and what tells the workers at the commit. */
interface Companions {
  traceparent: string | null
  message: string | null
}

// Made once: a schema is compiled when it first reads a row, and that takes longer than to enqueue a job.
const plainRow = z.object({ ids: z.string() })
const admittedRow = z.object({ ids: z.string().nullable(), ordinals: z.string().nullable() })
type AdmittedRow = z.infer<typeof admittedRow>

async function insertPlainJobs(db: CommonQueryMethods, jobs: readonly NewJob[], { traceparent, message }: Companions): Promise<(number | null)[]> {
  const written = await db.one(
    prepared(
      'enqueue-plain-jobs',
      sql.type(admittedRow)`
    with ${plainJobs(jobs, traceparent)}
    select string_agg(id::text, ',') as ids, string_agg(ordinal::text, ',') as ordinals, ${told(message)} from job`,
    ),
  )
  return inTheirPlaces(jobs, written)
}

/** Many plain jobs that differ in their payloads alone: what they have in common is said once, and joined with nothing. */
async function insertAlikeJobs(db: CommonQueryMethods, jobs: readonly NewJob[], { traceparent, message }: Companions): Promise<number[]> {
  const { organization_id, job_type, queue, priority, max_attempts, delay_ms } = kindOfJob(jobs[0]!)
  const runAfter = sql.fragment`now() + ${delay_ms}::float8 * interval '1 millisecond'`
  const { ids } = await db.one(
    prepared(
      'enqueue-alike-jobs',
      sql.type(plainRow)`
    with job as materialized (
      select nextval('job_queue_id_seq') as id, payload, ordinal from jsonb_array_elements(${payloadsOf(jobs)}::jsonb) with ordinality as job (payload, ordinal)
    ), queued as (
      insert into job_queue (id, organization_id, job_type, queue, priority, max_attempts, run_after, payload, traceparent)
      overriding system value
      select id, ${organization_id}::uuid, ${job_type}::text, ${queue}::text, ${priority}::int2, ${max_attempts}::int2, ${runAfter}, payload, ${traceparent}::text from job
    ), bundled as (
      insert into job_bundles (queue, tenant, priority, run_after, last_id, job_ids)
      select ${queue}::text, coalesce(${organization_id}::uuid, ${NO_TENANT}), ${priority}::int2, ${runAfter}, max(id), array_agg(id order by id)
        from job group by (ordinal - 1) / ${BUNDLE_MAX}::int8
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, organization_id)
      select id, 1, 'ENQUEUE', null, 'queued', 0, ${organization_id}::uuid from job
    )
    select string_agg(id::text, ',' order by ordinal) as ids, ${told(message)} from job`,
    ),
  )
  return numbersIn(ids)
}

/** What jobs of one call mostly have in common, and is told once for all that do. */
interface Kind {
  organization_id: string | null
  job_type: string
  queue: string
  priority: number
  max_attempts: number
  delay_ms: number
  unique_key: string | null
  limit_key: string | null
  limit_max: number | null
  blocked_by: number
  /** The first of the kinds whose jobs stand in the same lane and are due at the same time. */
  lane: number
}

/** So many jobs of one call stand in bundles instead of places of their own: one lock, one row and one index entry for many. */
const BUNDLED_MIN = 20
/** At most so many jobs share a place: a claim that wants fewer writes the rest anew. */
const BUNDLE_MAX = 100

async function insertJobs(db: CommonQueryMethods, jobs: readonly NewJob[], { traceparent, message }: Companions): Promise<(number | null)[]> {
  const { kinds, kindOf } = sorted(jobs)
  const bundled = jobs.length >= BUNDLED_MIN
  const isSingle = bundled ? sql.fragment`blocked_by = 0 and limit_key is not null` : sql.fragment`blocked_by = 0`
  const bundles = sql.fragment`, bundle as (
      select lane, max(id) as last_id, array_agg(id order by id) as job_ids
        from admitted where blocked_by = 0 and limit_key is null group by lane, (ordinal - 1) / ${BUNDLE_MAX}::int8
    ), bundled as (
      insert into job_bundles (queue, tenant, priority, run_after, last_id, job_ids)
      select queue, tenant, priority, run_after, last_id, job_ids from bundle join kind on kind.kind = bundle.lane
    )`
  const [admitted] = await db.any(
    prepared(
      bundled ? 'enqueue-bundles' : 'enqueue-jobs',
      sql.type(admittedRow)`
    with kind as materialized (
      select row_number() over () as kind, kind.*, now() + delay_ms * interval '1 millisecond' as run_after, coalesce(organization_id, ${NO_TENANT}) as tenant
        from jsonb_to_recordset(${JSON.stringify(kinds)}::jsonb) as kind (
          organization_id uuid, job_type text, queue text, priority int2, max_attempts int2, delay_ms float8,
          unique_key text, limit_key text, limit_max int4, blocked_by int4, lane int4)
    ), job as materialized (
      select nextval('job_queue_id_seq') as id, job.*
        from rows from (unnest(${`{${kindOf.join(',')}}`}::int4[]), jsonb_array_elements(${payloadsOf(jobs)}::jsonb)) with ordinality as job (kind, payload, ordinal)
    ), wanted as materialized (
      select * from job join kind using (kind) order by ordinal
    ), keyed as (
      insert into job_unique (tenant, job_type, unique_key, job_id)
      select tenant, job_type, unique_key, id from wanted where unique_key is not null order by 1, 2, 3
      on conflict do nothing
      returning job_id
    ), admitted as not materialized (
      select * from wanted where unique_key is null or id in (select job_id from keyed)
    ), queued as (
      insert into job_queue (id, organization_id, job_type, queue, priority, max_attempts, run_after, unique_key, limit_key, limit_max, blocked_by, payload, traceparent)
      overriding system value
      select id, organization_id, job_type, queue, priority, max_attempts, run_after, unique_key, limit_key, limit_max, blocked_by, payload, ${traceparent}::text from admitted
    ), ready as (
      insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
      select queue, tenant, priority, coalesce(limit_key, ''), limit_max, run_after, id, 'queued' from admitted where ${isSingle}
    )${bundled ? bundles : sql.fragment``}, logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, organization_id)
      select id, 1, 'ENQUEUE', null, 'queued', 0, organization_id from admitted
    )
    select string_agg(id::text, ',' order by ordinal) as ids, string_agg(ordinal::text, ',' order by ordinal) as ordinals,
           ${told(message)}
      from admitted`,
    ),
  )
  return inTheirPlaces(jobs, admitted)
}

/** Each id where its job is, in whatever order they come: to sort a few takes PostgreSQL longer than to read them. */
function inTheirPlaces(jobs: readonly NewJob[], written: AdmittedRow | undefined): (number | null)[] {
  const enqueued: (number | null)[] = jobs.map(() => null)
  const places = numbersIn(written?.ordinals)
  for (const [index, id] of numbersIn(written?.ids).entries()) enqueued[places[index]! - 1] = id
  return enqueued
}

/** Numbers as one text: a thousand rows of two columns take longer to read than the rest of the call. */
const numbersIn = (text: string | null | undefined): number[] => (text ? text.split(',').map(Number) : [])

/** The kinds of some jobs, and of each job the place of its kind, counted from 1. Neighbours are mostly alike, and are compared first. */
function sorted(jobs: readonly NewJob[]): { kinds: Kind[]; kindOf: number[] } {
  const kinds: Kind[] = []
  const places = new Map<string, number>()
  const lanes = new Map<string, number>()
  let [last, place]: [NewJob | null, number] = [null, 0]
  const kindOf = jobs.map((job) => {
    if (last !== null && isAlike(job, last)) return place
    last = job
    const kind = kindOfJob(job)
    const key = JSON.stringify(kind)
    const known = places.get(key)
    if (known !== undefined) return (place = known)
    const laneKey = `${kind.organization_id} ${kind.queue} ${kind.priority} ${kind.delay_ms}`
    const lane = lanes.get(laneKey) ?? kinds.length + 1
    lanes.set(laneKey, lane)
    place = kinds.push({ ...kind, lane })
    places.set(key, place)
    return place
  })
  return { kinds, kindOf }
}

function isAlike(job: NewJob, other: NewJob): boolean {
  return (
    job.organization_id === other.organization_id &&
    job.job_type === other.job_type &&
    job.queue === other.queue &&
    job.priority === other.priority &&
    job.max_attempts === other.max_attempts &&
    job.delay_ms === other.delay_ms &&
    job.unique_key === other.unique_key &&
    job.limit_key === other.limit_key &&
    job.limit_max === other.limit_max &&
    job.blocked_by === other.blocked_by
  )
}

function kindOfJob(job: NewJob): Omit<Kind, 'lane'> {
  return {
    organization_id: job.organization_id,
    job_type: job.job_type,
    queue: job.queue,
    priority: job.priority ?? 0,
    max_attempts: job.max_attempts,
    delay_ms: job.delay_ms ?? 0,
    unique_key: job.unique_key ?? null,
    limit_key: job.limit_key ?? null,
    limit_max: job.limit_max ?? null,
    blocked_by: job.blocked_by ?? 0,
  }
}

const payloadsOf = (jobs: readonly NewJob[]): string => `[${jobs.map((job) => JSON.stringify(job.payload ?? {})).join(',')}]`

/** Those that want a key for a period take it first; those that get it, and those that want none, are enqueued. */
async function enqueueForPeriods(db: CommonQueryMethods, jobs: readonly NewJob[], wake?: WakeAtCommit): Promise<(number | null)[]> {
  return inTransaction(db, async (tx) => {
    const taken = (await takeKeys(tx, jobs.filter(wantsPeriod))).values()
    const admitted = jobs.map((job) => !wantsPeriod(job) || taken.next().value === true)
    const enqueued = await enqueueJobs(
      tx,
      jobs.filter((_, index) => admitted[index]).map((job) => ({ ...job, unique_for_ms: null })),
      wake,
    )
    const next = enqueued.values()
    const ids = admitted.map((isIn) => (isIn ? next.next().value! : null))
    const kept = jobs.flatMap((job, index) => (wantsPeriod(job) && admitted[index] ? [{ job, id: ids[index]! }] : []))
    await keepKeys(
      tx,
      kept.map(({ job }) => job),
      kept.map(({ id }) => id),
    )
    return ids
  })
}

function wantsPeriod(job: NewJob): job is NewJob & KeptJob {
  return job.unique_key != null && job.unique_for_ms != null
}
