import { z } from 'zod'
import { openEnqueue } from './job-traces.ts'
import { keepKeys, takeKeys } from './job-kept-keys.ts'
import type { KeptJob } from './job-kept-keys.ts'
import { NO_TENANT } from './jobs.ts'
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

/**
 * ENQUEUE, in the caller's transaction: the rows, their places in the lanes and their first events in one statement.
 *
 * @returns the ids in the order of `jobs`; null where a live job of the organisation has the same type and unique key, or one keeps it for its period
 */
export async function enqueueJobs(db: CommonQueryMethods, jobs: readonly NewJob[]): Promise<(number | null)[]> {
  if (jobs.some((job) => job.unique_for_ms != null)) return enqueueForPeriods(db, jobs)
  if (jobs.length === 0) return []
  const happening = openEnqueue(jobs)
  try {
    return await insertJobs(db, jobs, happening?.traceparent ?? null)
  } finally {
    happening?.end()
  }
}

async function insertJobs(db: CommonQueryMethods, jobs: readonly NewJob[], traceparent: string | null): Promise<(number | null)[]> {
  const column = <T>(pick: (job: NewJob) => T) => jobs.map(pick)
  const rows = await db.any(
    prepared(
      'enqueue-jobs',
      sql.type(z.object({ ordinal: z.number(), id: z.number() }))`
    with wanted as materialized (
      select nextval('job_queue_id_seq') as id, now() + delay_ms * interval '1 millisecond' as run_after, wanted.*
        from unnest(
          ${sql.array(
            column((job) => job.organization_id),
            'uuid',
          )},
          ${sql.array(
            column((job) => job.job_type),
            'text',
          )},
          ${sql.array(
            column((job) => job.queue),
            'text',
          )},
          ${sql.array(
            column((job) => job.priority ?? 0),
            'int2',
          )},
          ${sql.array(
            column((job) => job.max_attempts),
            'int2',
          )},
          ${sql.array(
            column((job) => job.delay_ms ?? 0),
            'float8',
          )},
          ${sql.array(
            column((job) => job.unique_key ?? null),
            'text',
          )},
          ${sql.array(
            column((job) => job.limit_key ?? null),
            'text',
          )},
          ${sql.array(
            column((job) => job.limit_max ?? null),
            'int4',
          )},
          ${sql.array(
            column((job) => job.blocked_by ?? 0),
            'int4',
          )},
          ${sql.array(
            column((job) => JSON.stringify(job.payload ?? {})),
            'text',
          )}
        ) with ordinality as wanted (organization_id, job_type, queue, priority, max_attempts, delay_ms, unique_key, limit_key, limit_max, blocked_by, payload, ordinal)
    ), keyed as (
      insert into job_unique (tenant, job_type, unique_key, job_id)
      select coalesce(organization_id, ${NO_TENANT}), job_type, unique_key, id from wanted where unique_key is not null order by 1, 2, 3
      on conflict do nothing
      returning job_id
    ), queued as (
      insert into job_queue (id, organization_id, job_type, queue, priority, max_attempts, run_after, unique_key, limit_key, limit_max, blocked_by, payload, traceparent)
      overriding system value
      select id, organization_id, job_type, queue, priority, max_attempts, run_after, unique_key, limit_key, limit_max, blocked_by, payload::jsonb, ${traceparent}::text
        from wanted where unique_key is null or id in (select job_id from keyed)
      returning id, organization_id, queue, priority, run_after, limit_key, limit_max, blocked_by
    ), ready as (
      insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
      select queue, coalesce(organization_id, ${NO_TENANT}), priority, coalesce(limit_key, ''), limit_max, run_after, id, 'queued' from queued where blocked_by = 0
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, organization_id)
      select id, 1, 'ENQUEUE', null, 'queued', 0, organization_id from queued
    )
    select wanted.ordinal, queued.id from queued join wanted using (id)`,
    ),
  )
  const ids: (number | null)[] = jobs.map(() => null)
  for (const row of rows) ids[row.ordinal - 1] = row.id
  countWhenCommitted(
    db,
    rows.map((row) => ({ job_type: jobs[row.ordinal - 1]!.job_type, event: 'ENQUEUE', from: '', to: 'queued' })),
  )
  return ids
}

/** Those that want a key for a period take it first; those that get it, and those that want none, are enqueued. */
async function enqueueForPeriods(db: CommonQueryMethods, jobs: readonly NewJob[]): Promise<(number | null)[]> {
  return inTransaction(db, async (tx) => {
    const taken = (await takeKeys(tx, jobs.filter(wantsPeriod))).values()
    const admitted = jobs.map((job) => !wantsPeriod(job) || taken.next().value === true)
    const enqueued = await enqueueJobs(
      tx,
      jobs.filter((_, index) => admitted[index]).map((job) => ({ ...job, unique_for_ms: null })),
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
