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
  /** At most `limit_max` jobs of the organisation with this key are held at a time. */
  limit_key?: string | null
  limit_max?: number | null
  /** How many jobs it waits for; enqueueDependent counts them. */
  blocked_by?: number
}

/** The tenant of a job of the installation, in job_ready and job_unique. */
export const NO_TENANT = '00000000-0000-0000-0000-000000000000'

/**
 * ENQUEUE, in the caller's transaction: the rows, their places in the lanes and their first events in one statement.
 *
 * @returns the ids in the order of `jobs`; null where a live job of the organisation has the same type and unique key
 */
export async function enqueueJobs(db: CommonQueryMethods, jobs: readonly NewJob[]): Promise<(number | null)[]> {
  if (jobs.length === 0) return []
  const column = <T>(pick: (job: NewJob) => T) => jobs.map(pick)
  const rows = await db.any(sql.type(z.object({ ordinal: z.number(), id: z.number() }))`
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
      insert into job_queue (id, organization_id, job_type, queue, priority, max_attempts, run_after, unique_key, limit_key, limit_max, blocked_by, payload)
      overriding system value
      select id, organization_id, job_type, queue, priority, max_attempts, run_after, unique_key, limit_key, limit_max, blocked_by, payload::jsonb
        from wanted where unique_key is null or id in (select job_id from keyed)
      returning id, organization_id, queue, priority, run_after, limit_key, limit_max, blocked_by
    ), ready as (
      insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
      select queue, coalesce(organization_id, ${NO_TENANT}), priority, coalesce(limit_key, ''), limit_max, run_after, id, 'queued' from queued where blocked_by = 0
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, organization_id)
      select id, 1, 'ENQUEUE', null, 'queued', 0, organization_id from queued
    )
    select wanted.ordinal, queued.id from queued join wanted using (id)`)
  const ids: (number | null)[] = jobs.map(() => null)
  for (const row of rows) ids[row.ordinal - 1] = row.id
  return ids
}

const laneRow = z.object({
  tenant: z.string(),
  priority: z.number(),
  limit_key: z.string(),
  /** How many jobs with the key may be held at a time, and how many are; null and 0 where the lane has no limit. */
  limit_max: z.number().nullable(),
  held: z.number(),
  head_us: z.number(),
  due_in_ms: z.number(),
})
/** A lane of a queue: an organisation's waiting jobs of one priority and limit. `head_us` is the earliest run_after in it, in microseconds since 1970, exact. */
export type LaneRow = z.infer<typeof laneRow>

/**
 * The lanes of a queue in which jobs wait, due or not. It hops from lane to lane through the index, so its cost is the
 * number of lanes, not of jobs.
 */
export async function readyLanes(db: CommonQueryMethods, queue: string, limit: number): Promise<readonly LaneRow[]> {
  return db.any(sql.type(laneRow)`
    with recursive lane as (
      (select tenant, priority, limit_key, limit_max, run_after from job_ready where queue = ${queue} order by tenant, priority, limit_key, run_after limit 1)
      union all
      select next.tenant, next.priority, next.limit_key, next.limit_max, next.run_after
        from lane cross join lateral (
          select tenant, priority, limit_key, limit_max, run_after from job_ready
           where queue = ${queue} and (tenant, priority, limit_key) > (lane.tenant, lane.priority, lane.limit_key)
           order by tenant, priority, limit_key, run_after limit 1
        ) as next
    )
    select tenant, priority, limit_key, limit_max,
           case when limit_key = '' then 0 else (select count(*)::int from job_slots where name = 'key ' || tenant || ' ' || limit_key) end as held,
           (extract(epoch from run_after) * 1000000)::int8 as head_us,
           extract(epoch from run_after - now())::float8 * 1000 as due_in_ms
      from lane limit ${limit}`)
}

/** How many jobs of a lane to claim, none of them due before `after`. */
export interface LaneQuota {
  tenant: string
  priority: number
  limit_key: string
  limit_max: number | null
  /** Microseconds since 1970. */
  after_us: number
  limit: number
}

const claimedRow = claimedJob.extend({
  /** Which of the asked lanes it came from, counted from 1. */
  lane: z.number(),
  /** Microseconds since 1970 at which it was due; exact. */
  due_us: z.number(),
  wait_ms: z.number(),
  was: z.enum(['queued', 'retried']),
})
export type ClaimedRow = z.infer<typeof claimedRow>

/**
 * CLAIM: takes due jobs of the given lanes for a live worker, unless their queue is paused. Two workers never receive
 * the same job: the places are locked as they are chosen, and locked ones are passed over.
 *
 * The commit is not waited for: a claim that a power cut undoes was never made, since whatever the worker records later
 * is fenced by the version that the claim gave.
 */
export async function claimJobs(
  db: CommonQueryMethods,
  { queue, worker, lanes }: { queue: string; worker: number; lanes: readonly LaneQuota[] },
): Promise<readonly ClaimedRow[]> {
  const column = <T>(pick: (lane: LaneQuota) => T) => lanes.map(pick)
  return db.any(sql.type(claimedRow)`
    with open as materialized (
      select set_config('synchronous_commit', 'off', true)
       where not exists (select from queues where name = ${queue} and paused_at is not null)
         and exists (select from workers where id = ${worker} and status = 'active')
    ), due as materialized (
      select place.ctid, place.job_id, lane.lane::int as lane
        from open cross join unnest(
          ${sql.array(
            column((lane) => lane.tenant),
            'uuid',
          )},
          ${sql.array(
            column((lane) => lane.priority),
            'int2',
          )},
          ${sql.array(
            column((lane) => lane.limit_key),
            'text',
          )},
          ${sql.array(
            column((lane) => lane.after_us),
            'int8',
          )},
          ${sql.array(
            column((lane) => lane.limit),
            'int4',
          )}
        ) with ordinality as lane (tenant, priority, limit_key, head_us, quota, lane)
        cross join lateral (
          select ctid, job_id from job_ready
           where queue = ${queue} and tenant = lane.tenant and priority = lane.priority and limit_key = lane.limit_key
             and run_after >= timestamptz 'epoch' + lane.head_us * interval '1 microsecond' and run_after <= now()
           order by run_after, job_id
           limit lane.quota
             for update skip locked
        ) as place
    ), taken as (
      delete from job_ready using due where job_ready.ctid = due.ctid returning job_ready.job_id, due.lane, job_ready.run_after, job_ready.state
    ), claimed as (
      update job_queue job
         set status = 'claimed', version = version + 1, attempt = attempt + 1, locked_by = ${worker}, locked_at = now(), updated_at = now()
        from taken
       where job.id = taken.job_id and job.status = taken.state
      returning job.id, job.organization_id, job.job_type, job.version, job.attempt, job.max_attempts, job.locked_by, job.last_error, job.payload,
                taken.lane, taken.run_after, taken.state
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, worker, organization_id)
      select id, version, 'CLAIM', state, 'claimed', attempt, ${worker}, organization_id from claimed
    )
    select id, organization_id, job_type, version, attempt, max_attempts, locked_by, last_error, payload, lane, state as was,
           (extract(epoch from run_after) * 1000000)::int8 as due_us, extract(epoch from now() - run_after)::float4 * 1000 as wait_ms
      from claimed order by lane, run_after, id`)
}

/** One transition that the machine decided, ready to be recorded. */
export interface Transition {
  event: JobEventName
  from: JobState
  to: JobState
  attempt: number
  worker: number | null
  details?: unknown
  /** When it was decided, on this process's monotonic clock, for a transition that is recorded later than that. */
  decided_at?: number
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
 * Records what was decided: the rows, fenced, and their events. The fence is the version with the state and the holder on
 * which was decided: a version alone comes twice where a claim was undone before it reached the disk, and is met by
 * chance where a START was refused and its job's later moves are still to come.
 *
 * Most moves of a busy queue are alike (START and SUCCEED, nothing to keep): those go by a statement of their own that
 * carries two arrays instead of seventeen. All in id order, so that two batches do not deadlock.
 *
 * @returns the ids that were recorded; an id that is not among them had changed meanwhile, and nothing of its move was written
 */
export async function recordMoves(db: CommonQueryMethods, moves: readonly Move[]): Promise<ReadonlySet<number>> {
  if (moves.length === 0) return new Set()
  const recorded = new Set(moves.map((move) => move.id))
  const ordered = moves.toSorted((one, other) => one.id - other.id)
  const worker = ordered[0]!.transitions[0]!.worker
  const alike = worker === null ? [] : ordered.filter((move) => isPlainSuccess(move, worker))
  const fast = alike.length >= ALIKE_MIN
  const others = fast ? ordered.filter((move) => !isPlainSuccess(move, worker!)) : ordered
  const rows = [...(fast ? await recordPlainSuccesses(db, worker!, alike) : []), ...(others.length > 0 ? await recordEach(db, others) : [])]
  for (const row of rows) if (!row.recorded) recorded.delete(row.id)
  const awaited = rows.filter((row) => row.has_dependents).map((row) => row.id)
  if (awaited.length > 0) await resolveDependents(db, awaited)
  return recorded
}

const recordedRow = z.object({ id: z.number(), recorded: z.boolean(), has_dependents: z.boolean() })
type RecordedRow = z.infer<typeof recordedRow>

/** Fewer alike moves than this are not worth a statement of their own. */
const ALIKE_MIN = 8

function isPlainSuccess({ transitions, result, standing }: Move, worker: number): boolean {
  return (
    transitions.length === 2 &&
    standing.state === 'done' &&
    result === undefined &&
    transitions[0]!.event === 'START' &&
    transitions.every((transition) => transition.details === undefined && transition.worker === worker)
  )
}

/** @returns only what is out of the ordinary: refused moves, and jobs that others wait for */
async function recordPlainSuccesses(db: CommonQueryMethods, worker: number, moves: readonly Move[]): Promise<readonly RecordedRow[]> {
  const now = performance.now()
  return db.any(sql.type(recordedRow)`
    with decided as materialized (
      -- State and holder are joined, not compared with constants: by statistics of a moment in which nothing was held, the
      -- planner expects one such row, reads the whole table for it and tries 500 by 500 (6,000 jobs/s instead of 14,000).
      select decided.*, 'claimed'::job_status as was, ${worker}::int4 as worker from unnest(
        ${sql.array(
          moves.map((move) => move.id),
          'int8',
        )},
        ${sql.array(
          moves.map((move) => move.version),
          'int4',
        )},
        ${sql.array(
          moves.map((move) => agoMs(move.transitions[0]!, now)),
          'int4',
        )},
        ${sql.array(
          moves.map((move) => agoMs(move.transitions[1]!, now)),
          'int4',
        )}
      ) as decided (id, version, started_ms, ended_ms)
    ), moved as (
      update job_queue job
         set status = 'done', version = decided.version + 2, locked_by = null, locked_at = null, cancel_requested_at = null,
             last_error = null, result = null, progress = null, finished_at = now(), updated_at = now()
        from decided
       where job.id = decided.id and job.version = decided.version and job.status = decided.was and job.locked_by = decided.worker
      returning job.id, decided.version, job.attempt, job.organization_id, job.job_type, job.unique_key, job.has_dependents, started_ms, ended_ms
    ), freed as (
      delete from job_unique using moved
       where moved.unique_key is not null and job_unique.tenant = coalesce(moved.organization_id, ${NO_TENANT})
         and job_unique.job_type = moved.job_type and job_unique.unique_key = moved.unique_key
    ), vacated as (
      delete from job_slots using moved where job_slots.job_id = moved.id
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, worker, organization_id, at)
      select id, version + step, event, from_state, to_state, attempt, ${worker}, organization_id,
             now() - (case step when 1 then started_ms else ended_ms end) * interval '1 millisecond'
        from moved cross join (
          values (1, 'START'::job_event, 'claimed'::job_status, 'running'::job_status), (2, 'SUCCEED', 'running', 'done')
        ) as step (step, event, from_state, to_state)
    )
    select decided.id, moved.id is not null as recorded, coalesce(has_dependents, false) as has_dependents
      from decided left join moved on moved.id = decided.id
     where moved.id is null or has_dependents`)
}

/** Milliseconds since a transition was decided: by so much its event lies before the statement that records it. */
function agoMs({ decided_at }: Transition, now: number): number {
  return decided_at === undefined ? 0 : Math.round(now - decided_at)
}

/** Who held the job before the move: its transitions name the holder from which they take it. */
function holderBefore({ transitions: [first] }: Move): number | null {
  return first !== undefined && (first.from === 'claimed' || first.from === 'running') ? first.worker : null
}

async function recordEach(db: CommonQueryMethods, moves: readonly Move[]): Promise<readonly RecordedRow[]> {
  const column = <T>(pick: (move: Move) => T) => moves.map(pick)
  const now = performance.now()
  const steps = moves.flatMap((move) => move.transitions.map((transition, index) => ({ ...transition, id: move.id, seq: move.version + index + 1 })))
  return db.any(sql.type(recordedRow)`
    with decided as materialized (
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
          column((move) => move.transitions[0]!.from),
          'text',
        )},
        ${sql.array(column(holderBefore), 'int4')},
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
      ) as decided (id, version, was, holder, steps, status, attempt, worker, delay_ms, last_error, result)
    ), before as materialized (
      select job.id, job.status, job.queue, coalesce(job.organization_id, ${NO_TENANT}) as tenant, job.priority, job.run_after, job.limit_key
        from job_queue job join decided on decided.id = job.id and decided.version = job.version
         and decided.was::job_status = job.status and decided.holder is not distinct from job.locked_by
       order by job.id for update of job
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
             progress = case when decided.worker is null then null else job.progress end,
             finished_at = case when decided.status in ('done', 'failed', 'cancelled') then now() end,
             updated_at = now()
        from decided join before on before.id = decided.id
       where job.id = decided.id and job.version = decided.version
      returning job.id, job.organization_id, job.status, job.run_after, before.status as was, before.queue, before.tenant, before.priority,
                before.run_after as was_due, coalesce(before.limit_key, '') as limit_key, job.limit_max, job.blocked_by,
                job.job_type, job.unique_key, job.has_dependents
    ), placed as (
      insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
      select queue, tenant, priority, limit_key, limit_max, run_after, id, status from moved where status in ('queued', 'retried') and blocked_by = 0
    ), displaced as (
      delete from job_ready using moved
       where moved.was in ('queued', 'retried')
         and job_ready.queue = moved.queue and job_ready.tenant = moved.tenant and job_ready.priority = moved.priority
         and job_ready.limit_key = moved.limit_key and job_ready.run_after = moved.was_due and job_ready.job_id = moved.id
    ), freed as (
      delete from job_unique using moved
       where moved.unique_key is not null and moved.status in ('done', 'failed', 'cancelled')
         and job_unique.tenant = moved.tenant and job_unique.job_type = moved.job_type and job_unique.unique_key = moved.unique_key
    ), vacated as (
      delete from job_slots using moved where job_slots.job_id = moved.id and moved.status not in ('claimed', 'running')
    ), keyed as (
      insert into job_unique (tenant, job_type, unique_key, job_id)
      select tenant, job_type, unique_key, id from moved where unique_key is not null and was in ('done', 'failed', 'cancelled')
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
            steps.map((step) => agoMs(step, now)),
            'int4',
          )},
          ${sql.array(
            steps.map((step) => (step.details === undefined ? null : JSON.stringify(step.details))),
            'text',
          )}
        ) as step (id, seq, event, from_state, to_state, attempt, worker, ago_ms, details)
        join moved on moved.id = step.id
    )
    select decided.id, moved.id is not null as recorded, coalesce(has_dependents, false) as has_dependents
      from decided left join moved on moved.id = decided.id
     where moved.id is null or has_dependents`)
}

/**
 * Lets those go on that waited for jobs that have ended: each is placed in its lane when the last it waits for has ended.
 * A job whose dependency failed, and that was not told to run all the same, is left to the resolver, which cancels it.
 *
 * @returns the queues in which a job was placed
 */
export async function resolveDependents(db: CommonQueryMethods, ended: readonly number[]): Promise<readonly string[]> {
  const placed = await db.any(sql.type(z.object({ queue: z.string(), notified: z.string().nullable() }))`
    with ended as (
      select id, status from job_queue where id = any(${sql.array([...ended], 'int8')}) and status in ('done', 'failed', 'cancelled')
    ), resolved as (
      delete from job_dependencies using ended
       where depends_on = ended.id and (ended.status = 'done' or on_failure = 'run')
      returning job_dependencies.job_id
    ), counted as (
      select job_id, count(*)::int as resolved from resolved group by job_id order by job_id
    ), unblocked as (
      update job_queue job set blocked_by = greatest(0, job.blocked_by - resolved), updated_at = now() from counted where job.id = counted.job_id
      returning job.id, job.queue, job.organization_id, job.priority, job.limit_key, job.limit_max, job.run_after, job.status, job.blocked_by
    ), placed as (
      insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
      select queue, coalesce(organization_id, ${NO_TENANT}), priority, coalesce(limit_key, ''), limit_max, run_after, id, status
        from unblocked where blocked_by = 0 and status in ('queued', 'retried')
      returning queue
    )
    select queue, pg_notify('atum_jobs', jsonb_build_object('queues', jsonb_build_array(queue))::text)::text as notified
      from (select distinct queue from placed) as placed`)
  return placed.map((row) => row.queue)
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

/** Whether a live job has the unique key of this one, which has ended. */
export async function uniqueKeyIsTaken(db: CommonQueryMethods, id: number): Promise<boolean> {
  return db.exists(sql.type(z.object({ job_id: z.number() }))`
    select job_unique.job_id from job_queue job
      join job_unique on job_unique.tenant = coalesce(job.organization_id, ${NO_TENANT})
        and job_unique.job_type = job.job_type and job_unique.unique_key = job.unique_key
     where job.id = ${id}`)
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
     where id = ${id} and status in ('claimed', 'running')`)
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
