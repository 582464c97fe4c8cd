import { z } from 'zod'
import { JOB_EVENTS, JOB_STATES } from '#machines/job.ts'
import type { JobContext } from '#machines/job.ts'
import type { JobStanding } from '#machines/job-step.ts'
import { ofBound, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const json = z.unknown()

/** A row of job_queue as the API shows it. Times are Dates here and ISO 8601 in JSON. */
export const jobRow = z.object({
  id: z.number(),
  organization_id: z.string().nullable(),
  job_type: z.string(),
  queue: z.string(),
  status: z.enum(JOB_STATES),
  priority: z.number(),
  version: z.number(),
  attempt: z.number(),
  max_attempts: z.number(),
  run_after: z.date(),
  locked_by: z.number().nullable(),
  locked_at: z.date().nullable(),
  cancel_requested_at: z.date().nullable(),
  unique_key: z.string().nullable(),
  payload: json,
  result: json,
  last_error: z.string().nullable(),
  created_at: z.date(),
  updated_at: z.date(),
  finished_at: z.date().nullable(),
})
export type JobRow = z.infer<typeof jobRow>

/** A row of job_events. */
export const jobEventRow = z.object({
  seq: z.number(),
  event: z.enum(JOB_EVENTS),
  from_state: z.enum(JOB_STATES).nullable(),
  to_state: z.enum(JOB_STATES),
  attempt: z.number(),
  worker: z.number().nullable(),
  at: z.date(),
  details: json,
})
export type JobEventRow = z.infer<typeof jobEventRow>

/** The tenant of a job of the installation, in job_ready and job_unique. */
export const NO_TENANT = '00000000-0000-0000-0000-000000000000'

const standingColumns = sql.fragment`
  id, organization_id, job_type, queue, status, version, attempt, max_attempts, locked_by, last_error,
  greatest(0, extract(epoch from run_after - now()) * 1000)::float8 as delay_ms, cancel_requested_at`

const standingRow = z.object({
  id: z.number(),
  organization_id: z.string().nullable(),
  job_type: z.string(),
  queue: z.string(),
  status: z.enum(JOB_STATES),
  version: z.number(),
  attempt: z.number(),
  max_attempts: z.number(),
  locked_by: z.number().nullable(),
  last_error: z.string().nullable(),
  delay_ms: z.number(),
  cancel_requested_at: z.date().nullable(),
})
export type StandingRow = z.infer<typeof standingRow>

/** The machine's view of a row. */
export function standingOf(row: Pick<StandingRow, 'status' | 'attempt' | 'max_attempts' | 'delay_ms' | 'last_error' | 'locked_by'>): JobStanding {
  const context: JobContext = {
    attempt: row.attempt,
    max_attempts: row.max_attempts,
    delay_ms: row.delay_ms,
    worker: row.locked_by,
    last_error: row.last_error,
  }
  return { state: row.status, context }
}

/** A job as the machine sees it, locked until the transaction ends; null where the caller may see no such job. */
export async function lockJob(db: CommonQueryMethods, id: number): Promise<StandingRow | null> {
  return db.maybeOne(sql.type(standingRow)`select ${standingColumns} from job_queue where id = ${id} and ${ofBound} for update`)
}

/** The live job that has the unique key of this one, which has ended; null where none has. */
export async function holderOfKey(db: CommonQueryMethods, id: number): Promise<number | null> {
  return db.maybeOneFirst(sql.type(z.object({ job_id: z.number() }))`
    select job_unique.job_id from job_queue job
      join job_unique on job_unique.tenant = coalesce(job.organization_id, ${NO_TENANT})
        and job_unique.job_type = job.job_type and job_unique.unique_key = job.unique_key
     where job.id = ${id} and ${ofBound}`)
}

/**
 * Notes how far a running job is, fenced by its version.
 *
 * @returns false where the job has moved on: the lease is lost
 */
export async function recordProgress(db: CommonQueryMethods, job: { id: number; version: number; progress: unknown }): Promise<boolean> {
  const row = await db.maybeOne(sql.typeAlias('id')`
    update job_queue set progress = ${JSON.stringify(job.progress)}::jsonb, updated_at = now() where id = ${job.id} and version = ${job.version} returning id`)
  return row !== null
}

/** Asks the worker that holds the job to abort its handler; the worker then records CANCEL. */
export async function requestCancel(db: CommonQueryMethods, id: number): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update job_queue set cancel_requested_at = coalesce(cancel_requested_at, now()), updated_at = now()
     where id = ${id} and status in ('claimed', 'running') and ${ofBound}`)
}

/**
 * Jobs that a gone worker holds, locked for the rescuer, at most `limit`. It reads the whole table: claims pay for no
 * index of held jobs, and workers die seldom.
 */
export async function orphanedJobs(db: CommonQueryMethods, limit: number): Promise<readonly StandingRow[]> {
  return db.any(sql.type(standingRow)`
    select ${standingColumns} from job_queue
     where status in ('claimed', 'running')
       and not exists (select from workers where workers.id = job_queue.locked_by and workers.status in ('active', 'draining'))
     order by id limit ${limit} for update skip locked`)
}

/** Wakes the workers. One short statement outside the caller's transaction: NOTIFY takes a lock of the whole cluster at commit. */
export async function notifyWorkers(db: CommonQueryMethods, message: string): Promise<void> {
  // A notification takes a transaction id, and so would wait for the disk; there is nothing in it that a crash could lose.
  await db.query(sql.typeAlias('void')`select set_config('synchronous_commit', 'off', true), pg_notify('atum_jobs', ${message})`)
}

/** The same as part of a transaction that writes: they are told when it has committed. */
export async function notifyWorkersAtCommit(db: CommonQueryMethods, queue: string): Promise<void> {
  await db.query(sql.typeAlias('void')`select pg_notify('atum_jobs', ${JSON.stringify({ queues: [queue] })})`)
}
