import { z } from 'zod'
import { JOB_EVENTS, JOB_STATES } from '#machines/job.ts'
import type { JobContext, JobEventName, JobState } from '#machines/job.ts'
import type { JobStanding } from '#machines/job-step.ts'
import { sql } from './sql.ts'
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

/** What the engine needs of a claimed job; narrow, because it is read tens of thousands of times a second. */
const claimedJob = z.object({
  id: z.number(),
  organization_id: z.string().nullable(),
  job_type: z.string(),
  version: z.number(),
  attempt: z.number(),
  max_attempts: z.number(),
  locked_by: z.number(),
  last_error: z.string().nullable(),
  payload: json,
})
export type ClaimedJob = z.infer<typeof claimedJob>

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
}

/**
 * ENQUEUE, in the caller's transaction: the rows and their first events in one statement.
 *
 * @returns the ids in the order of `jobs`; null where a live job with the same type and unique key is there already
 */
export async function enqueueJobs(db: CommonQueryMethods, jobs: readonly NewJob[]): Promise<(number | null)[]> {
  if (jobs.length === 0) return []
  const column = <T>(pick: (job: NewJob) => T) => jobs.map(pick)
  const rows = await db.any(sql.type(z.object({ ordinal: z.number(), id: z.number() }))`
    with wanted as (
      select nextval(pg_get_serial_sequence('job_queue', 'id')) as id, wanted.*
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
            column((job) => JSON.stringify(job.payload ?? {})),
            'text',
          )}
        ) with ordinality as wanted (organization_id, job_type, queue, priority, max_attempts, delay_ms, unique_key, payload, ordinal)
    ), queued as (
      insert into job_queue (id, organization_id, job_type, queue, priority, max_attempts, run_after, unique_key, payload)
      overriding system value
      select id, organization_id, job_type, queue, priority, max_attempts, now() + delay_ms * interval '1 millisecond', unique_key, payload::jsonb
        from wanted order by ordinal
      on conflict (job_type, unique_key) where unique_key is not null and status in ('queued', 'claimed', 'running', 'retried') do nothing
      returning id, organization_id
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, organization_id)
      select id, 1, 'ENQUEUE', null, 'queued', 0, organization_id from queued
    )
    select wanted.ordinal, queued.id from queued join wanted using (id)`)
  const ids: (number | null)[] = jobs.map(() => null)
  for (const row of rows) ids[row.ordinal - 1] = row.id
  return ids
}

/**
 * CLAIM: takes up to `limit` due jobs of an unpaused queue for a live worker, the most urgent and oldest first. Two
 * workers never receive the same job: the rows are locked as they are chosen, and locked ones are passed over.
 */
export async function claimJobs(
  db: CommonQueryMethods,
  { queue, worker, limit }: { queue: string; worker: number; limit: number },
): Promise<readonly ClaimedJob[]> {
  return db.any(sql.type(claimedJob)`
    with due as materialized (
      select id, status from job_queue
       where queue = ${queue} and status in ('queued', 'retried') and run_after <= now()
         and not exists (select from queues where name = ${queue} and paused_at is not null)
         and exists (select from workers where id = ${worker} and status = 'active')
       order by priority desc, run_after, id
       limit ${limit}
         for update skip locked
    ), claimed as (
      update job_queue job
         set status = 'claimed', version = version + 1, attempt = attempt + 1, locked_by = ${worker}, locked_at = now(), updated_at = now()
        from due
       where job.id = due.id
      returning job.id, job.organization_id, job.job_type, job.version, job.attempt, job.max_attempts, job.locked_by, job.last_error, job.payload,
                due.status as was, job.priority, job.run_after
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, worker, organization_id)
      select id, version, 'CLAIM', was, 'claimed', attempt, locked_by, organization_id from claimed
    )
    select id, organization_id, job_type, version, attempt, max_attempts, locked_by, last_error, payload from claimed
     order by priority desc, run_after, id`)
}

/** One transition that the machine decided, ready to be recorded. */
export interface Transition {
  event: JobEventName
  from: JobState
  to: JobState
  attempt: number
  worker: number | null
  details?: unknown
  /** How long ago it happened, for a transition that is recorded later than it was decided. */
  ago_ms?: number
}

/** The transitions of one job since `version`, and the standing in which they leave it. */
export interface Move {
  id: number
  /** The fence: the version that the decision was made on. Any other write in between has changed it. */
  version: number
  standing: JobStanding
  transitions: readonly Transition[]
  result?: unknown
}

/**
 * Records what was decided: the rows, fenced by version, and their events, in one statement, locked in id order.
 *
 * @returns the ids that were recorded; an id that is not among them had changed meanwhile, and nothing of its move was written
 */
export async function recordMoves(db: CommonQueryMethods, moves: readonly Move[]): Promise<ReadonlySet<number>> {
  if (moves.length === 0) return new Set()
  const column = <T>(pick: (move: Move) => T) => moves.map(pick)
  const steps = moves.flatMap((move) => move.transitions.map((transition, index) => ({ ...transition, id: move.id, seq: move.version + index + 1 })))
  const recorded = await db.anyFirst(sql.type(z.object({ id: z.number() }))`
    with decided as (
      select * from unnest(
        ${sql.array(
          column((move) => move.id),
          'int8',
        )},
        ${sql.array(
          column((move) => move.version),
          'int4',
        )},
        ${sql.array(
          column((move) => move.transitions.length),
          'int4',
        )},
        ${sql.array(
          column((move) => move.standing.state),
          'text',
        )},
        ${sql.array(
          column((move) => move.standing.context.attempt),
          'int2',
        )},
        ${sql.array(
          column((move) => move.standing.context.worker),
          'int4',
        )},
        ${sql.array(
          column((move) => move.standing.context.delay_ms),
          'float8',
        )},
        ${sql.array(
          column((move) => move.standing.context.last_error),
          'text',
        )},
        ${sql.array(
          column((move) => (move.result === undefined ? null : JSON.stringify(move.result))),
          'text',
        )}
      ) as decided (id, version, steps, status, attempt, worker, delay_ms, last_error, result)
    ), locked as materialized (
      select job.id from job_queue job join decided on decided.id = job.id and decided.version = job.version order by job.id for update of job
    ), moved as (
      update job_queue job
         set status = decided.status::job_status,
             version = decided.version + decided.steps,
             attempt = decided.attempt,
             locked_by = decided.worker,
             locked_at = case when decided.worker is null then null else job.locked_at end,
             cancel_requested_at = case when decided.worker is null then null else job.cancel_requested_at end,
             run_after = case when decided.status in ('queued', 'retried') then now() + decided.delay_ms * interval '1 millisecond' else job.run_after end,
             last_error = decided.last_error,
             result = decided.result::jsonb,
             finished_at = case when decided.status in ('done', 'failed', 'cancelled') then now() end,
             updated_at = now()
        from decided join locked on locked.id = decided.id
       where job.id = decided.id and job.version = decided.version
      returning job.id, job.organization_id
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, worker, organization_id, at, details)
      select moved.id, step.seq, step.event::job_event, step.from_state::job_status, step.to_state::job_status, step.attempt, step.worker,
             moved.organization_id, now() - step.ago_ms * interval '1 millisecond', step.details::jsonb
        from unnest(
          ${sql.array(
            steps.map((step) => step.id),
            'int8',
          )},
          ${sql.array(
            steps.map((step) => step.seq),
            'int4',
          )},
          ${sql.array(
            steps.map((step) => step.event),
            'text',
          )},
          ${sql.array(
            steps.map((step) => step.from),
            'text',
          )},
          ${sql.array(
            steps.map((step) => step.to),
            'text',
          )},
          ${sql.array(
            steps.map((step) => step.attempt),
            'int2',
          )},
          ${sql.array(
            steps.map((step) => step.worker),
            'int4',
          )},
          ${sql.array(
            steps.map((step) => step.ago_ms ?? 0),
            'float8',
          )},
          ${sql.array(
            steps.map((step) => (step.details === undefined ? null : JSON.stringify(step.details))),
            'text',
          )}
        ) as step (id, seq, event, from_state, to_state, attempt, worker, ago_ms, details)
        join moved on moved.id = step.id
    )
    select id from moved`)
  return new Set(recorded)
}

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
  return db.maybeOne(sql.type(standingRow)`select ${standingColumns} from job_queue where id = ${id} for update`)
}

/** Asks the worker that holds the job to abort its handler; the worker then records CANCEL. */
export async function requestCancel(db: CommonQueryMethods, id: number): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update job_queue set cancel_requested_at = coalesce(cancel_requested_at, now()), updated_at = now()
     where id = ${id} and status in ('claimed', 'running')`)
}

/** The jobs of this worker whose cancel was asked for. */
export async function cancelRequests(db: CommonQueryMethods, worker: number): Promise<readonly number[]> {
  return db.anyFirst(sql.type(z.object({ id: z.number() }))`
    select id from job_queue where locked_by = ${worker} and status in ('claimed', 'running') and cancel_requested_at is not null`)
}

/** Jobs whose holder is gone, locked for the rescuer, at most `limit`. */
export async function orphanedJobs(db: CommonQueryMethods, limit: number): Promise<readonly StandingRow[]> {
  return db.any(sql.type(standingRow)`
    select ${standingColumns} from job_queue
     where status in ('claimed', 'running')
       and not exists (select from workers where workers.id = job_queue.locked_by and workers.status in ('active', 'draining'))
     order by id limit ${limit} for update skip locked`)
}

/** Milliseconds until the next job of the queue is due: 0 where one is due now, null where none waits. */
export async function nextDueMs(db: CommonQueryMethods, queue: string): Promise<number | null> {
  return db.oneFirst(sql.type(z.object({ ms: z.number().nullable() }))`
    select greatest(0, extract(epoch from min(run_after) - now()) * 1000)::float8 as ms
      from job_queue where queue = ${queue} and status in ('queued', 'retried')`)
}

/** Wakes the workers. One short statement outside the caller's transaction: NOTIFY takes a lock of the whole cluster at commit. */
export async function notifyWorkers(db: CommonQueryMethods, message: string): Promise<void> {
  await db.query(sql.typeAlias('void')`select pg_notify('atum_jobs', ${message})`)
}
