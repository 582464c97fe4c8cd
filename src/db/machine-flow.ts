import { z } from 'zod'
import { JOB_EVENTS, JOB_STATES } from '#machines/job.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** A longer way than this is told by its beginning. */
const PATH_EVENTS_MAX = 60
const EXAMPLES_MAX = 3

const edgeColumns = { event: z.enum(JOB_EVENTS), from_state: z.enum(JOB_STATES).nullable(), to_state: z.enum(JOB_STATES) }

const moveCount = z.object({ ...edgeColumns, count: z.number() })
export type MoveCount = z.infer<typeof moveCount>

/** How often each edge of the job machine was taken in the last `seconds`. */
export async function countMoves(db: CommonQueryMethods, seconds: number): Promise<readonly MoveCount[]> {
  return db.any(sql.type(moveCount)`
    select event, from_state, to_state, count(*) from job_events
     where at > now() - make_interval(secs => ${seconds}) group by event, from_state, to_state`)
}

const dwell = z.object({
  from_state: z.enum(JOB_STATES),
  event: z.enum(JOB_EVENTS).nullable(),
  to_state: z.enum(JOB_STATES).nullable(),
  jobs: z.number(),
  p50_ms: z.number(),
  p95_ms: z.number(),
})
export type Dwell = z.infer<typeof dwell>

/**
 * How long jobs stood in a state before they left it in the last `seconds`: a row a state (event and to_state null) and
 * one an edge. One job in `every` is looked at, with all of its events, so that a sample is as right as the whole. When a
 * job came is looked for twice as far back; one that came before that counts as having come then, at least. Two events
 * of one flush may stand a fraction of a millisecond in the wrong order, which is no time at all.
 */
export async function dwellTimes(db: CommonQueryMethods, seconds: number, every: number): Promise<readonly Dwell[]> {
  return db.any(sql.type(dwell)`
    with recent as (
      select event, from_state, to_state, at, lag(at) over (partition by job_id order by seq) as entered
        from job_events where at > now() - make_interval(secs => ${2 * seconds}) and job_id % ${every} = 0
    ), timed as (
      select event, from_state, to_state,
             greatest(0, extract(epoch from at - coalesce(entered, now() - make_interval(secs => ${2 * seconds}))))::float8 * 1000 as ms
        from recent where from_state is not null and at > now() - make_interval(secs => ${seconds})
    )
    select from_state, event, to_state, count(*) as jobs,
           percentile_cont(0.5) within group (order by ms) as p50_ms, percentile_cont(0.95) within group (order by ms) as p95_ms
      from timed group by grouping sets ((from_state), (from_state, event, to_state))`)
}

const path = z.object({
  events: z.array(z.string()),
  jobs: z.number(),
  p50_ms: z.number(),
  p95_ms: z.number(),
  example_jobs: z.array(z.number()),
})
export type MinedPath = z.infer<typeof path>

/**
 * The ways from ENQUEUE to an end that jobs took whole within the last `seconds`, the rarest first; one job in `every` is
 * looked at.
 */
export async function minePaths(db: CommonQueryMethods, seconds: number, every: number, limit: number): Promise<readonly MinedPath[]> {
  return db.any(sql.type(path)`
    with way as (
      select job_id, (array_agg(event::text order by seq))[1:${PATH_EVENTS_MAX}] as events, extract(epoch from max(at) - min(at))::float8 * 1000 as ms
        from job_events where at > now() - make_interval(secs => ${seconds}) and job_id % ${every} = 0
       group by job_id
      having min(seq) = 1 and (array_agg(to_state order by seq desc))[1] in ('done', 'failed', 'cancelled')
    )
    select events, count(*) as jobs, percentile_cont(0.5) within group (order by ms) as p50_ms, percentile_cont(0.95) within group (order by ms) as p95_ms,
           (array_agg(job_id order by job_id desc))[1:${EXAMPLES_MAX}] as example_jobs
      from way group by events order by jobs, events limit ${limit}`)
}

/** An edge of the job machine as a caller names it. */
export interface JobEdge {
  event: string
  from_state: string | null
  to_state: string
}

const mover = z.object({
  job_id: z.number(),
  seq: z.number(),
  at: z.date(),
  attempt: z.number(),
  worker: z.number().nullable(),
  job_type: z.string(),
  status: z.enum(JOB_STATES),
  last_error: z.string().nullable(),
})
export type Mover = z.infer<typeof mover>

/** The jobs that took an edge in the last `seconds`, the newest first. */
export async function listMovers(db: CommonQueryMethods, edge: JobEdge, seconds: number, limit: number): Promise<readonly Mover[]> {
  return db.any(sql.type(mover)`
    select move.job_id, move.seq, move.at, move.attempt, move.worker, job_type, status, last_error
      from (select job_id, seq, at, attempt, worker from job_events
             where at > now() - make_interval(secs => ${seconds})
               and event = ${edge.event}::job_event and from_state is not distinct from ${edge.from_state}::job_status and to_state = ${edge.to_state}::job_status
             order by at desc, job_id desc limit ${limit}) as move
      join job_queue job on job.id = move.job_id
     order by move.at desc, move.job_id desc`)
}

const deadLetters = z.object({
  error_class: z.string(),
  job_type: z.string(),
  jobs: z.number(),
  still_failed: z.number(),
  newest_at: z.date(),
  newest_job: z.number(),
  message: z.string().nullable(),
})
export type DeadLetters = z.infer<typeof deadLetters>

/** What became a dead letter in the last `seconds`, by the class of its error and the type of its job, the most frequent first. */
export async function countDeadLetters(db: CommonQueryMethods, seconds: number, limit: number): Promise<readonly DeadLetters[]> {
  return db.any(sql.type(deadLetters)`
    select coalesce(details -> 'error' ->> 'class', 'unknown') as error_class, job_type, count(*) as jobs,
           count(*) filter (where status = 'failed' and version = seq) as still_failed, max(at) as newest_at,
           (array_agg(job_id order by at desc))[1] as newest_job, (array_agg(left(details -> 'error' ->> 'message', 300) order by at desc))[1] as message
      from (select job_id, seq, at, details from job_events
             where at > now() - make_interval(secs => ${seconds}) and to_state = 'failed') as death
      join job_queue job on job.id = death.job_id
     group by 1, 2 order by jobs desc, 1, 2 limit ${limit}`)
}
