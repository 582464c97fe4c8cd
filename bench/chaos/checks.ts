import type { Owner } from './owner.ts'
import type { Silence } from './fleet.ts'
import { LIMIT_MAX } from './workload.ts'
import type { Batch } from './workload.ts'

/** What must be zero, whatever was done to the workers and the server. */
export interface Breaches {
  /** Confirmed to the enqueuer, and not there or not ended. */
  lost: number
  /** Jobs with more effects than one a REQUEUE cycle, or more than successes. */
  effects_twice: number
  /** Jobs that succeeded and whose effect is not there. */
  effects_missing: number
  job_log_violations: number
  attempts_above_bound: number
  /** Events that a worker wrote of a job that another one had claimed. */
  stale_writes: number
  /** Unique keys, limit slots and dependencies that outlived their job. */
  leftovers: number
  limits_exceeded: number
  /** Callbacks that were claimed before their batch had ended. */
  callbacks_early: number
  rescues_too_late: number
}

/** How long the jobs of silent workers waited for their LOSE. */
export interface Rescues {
  jobs: number
  /** From the worker's silence, whatever happened to the server meanwhile. */
  longest_ms: number
  /** From the worker's silence, or from the server's last start where that was later: a server that is down can rescue nobody. */
  longest_with_server_ms: number
  /** Workers that were declared lost though nobody had killed or stopped them. */
  workers_lost_alive: number
}

/** Asks the tables, as their owner, what became of the run. */
export async function findBreaches(
  owner: Owner,
  {
    enqueued,
    batches,
    heldMax,
    rescues,
    rescueBoundMs,
  }: { enqueued: readonly number[]; batches: readonly Batch[]; heldMax: number; rescues: Rescues; rescueBoundMs: number },
): Promise<Breaches> {
  const count = async (text: string, values: unknown[] = []): Promise<number> =>
    (await owner.query<{ n: number }>(`select count(*)::int as n from (${text}) as breach`, values))[0]!.n
  return {
    lost: await count(
      `select from unnest($1::bigint[]) as confirmed (id) left join job_queue job using (id)
        where job.status is null or job.status not in ('done', 'failed', 'cancelled')
       union all
       select from job_queue where status not in ('done', 'failed', 'cancelled') and id <> all($1::bigint[])`,
      [enqueued],
    ),
    effects_twice: await count(`${EFFECTS} select from job where effects > successes or effects > cycles`),
    effects_missing: await count(`${EFFECTS} select from job where effects < successes`),
    job_log_violations: await count('select from job_log_violations'),
    attempts_above_bound: await count('select from job_events event join job_queue job on job.id = event.job_id where event.attempt > job.max_attempts'),
    stale_writes: await count(STALE_WRITES),
    leftovers: await count(
      'select job_id from job_unique union all select job_id from job_slots union all select job_id from job_dependencies union all select serial from job_leases union all select last_id from job_bundles',
    ),
    limits_exceeded: Math.max(0, heldMax - LIMIT_MAX),
    callbacks_early: await count(CALLBACKS_EARLY, [batches.map(({ callback }) => callback), batches.map(({ jobs }) => JSON.stringify(jobs))]),
    rescues_too_late: rescues.longest_with_server_ms > rescueBoundMs ? 1 : 0,
  }
}

/** Of each job with a marker: its effects, its successes, and how often it could have one. */
const EFFECTS = `
  with log as (
    select job_id, count(*) filter (where event = 'SUCCEED') as successes, count(*) filter (where event = 'REQUEUE') + 1 as cycles
      from job_events group by job_id
  ), effect as (
    select job_id, count(*) as effects from probe_effects group by job_id
  ), job as (
    select job_queue.id, coalesce(effects, 0) as effects, coalesce(successes, 0) as successes, coalesce(cycles, 1) as cycles
      from job_queue left join log on log.job_id = job_queue.id left join effect on effect.job_id = job_queue.id
     where payload ? 'marker'
  )`

/** The holder of a job is who claimed it last; nobody else has anything to say until it has left that holder's hands. */
const STALE_WRITES = `
  with log as (
    select event, worker,
           (array_agg(worker) filter (where event = 'CLAIM') over (partition by job_id order by seq desc rows between current row and unbounded following))[1] as holder
      from job_events
  )
  select from log where event in ('START', 'SUCCEED', 'FAIL', 'TIMEOUT', 'SNOOZE', 'RELEASE') and worker is distinct from holder`

const CALLBACKS_EARLY = `
  with log as (
    select job_id, min(at) filter (where event = 'CLAIM') as claimed_at, min(at) filter (where to_state in ('done', 'failed', 'cancelled')) as ended_at
      from job_events group by job_id
  )
  select from unnest($1::bigint[], $2::jsonb[]) as batch (callback, jobs) join log callback on callback.job_id = batch.callback
   where exists (
     select from jsonb_array_elements_text(batch.jobs) as member (id) join log on log.job_id = member.id::bigint where callback.claimed_at < log.ended_at)`

/** Measures each LOSE of a gone worker's job against the time from which the worker was silent. */
export async function measureRescues(owner: Owner, silences: readonly Silence[], serverStarts: readonly number[]): Promise<Rescues> {
  const losses = await owner.query<{ pid: number; at: Date }>(
    `select workers.pid, event.at from job_events event join workers on workers.id = event.worker
      where event.event = 'LOSE' and event.details -> 'error' ->> 'class' = 'WorkerLost'`,
  )
  const waits = losses.flatMap(({ pid, at }) => {
    const silence = lastBefore(
      silences.filter((silence) => silence.pid === pid).map((silence) => silence.at),
      at.getTime(),
    )
    if (silence === null) return []
    const served = Math.max(silence, lastBefore(serverStarts, at.getTime()) ?? silence)
    return [{ whole: at.getTime() - silence, served: at.getTime() - served }]
  })
  const lost = await owner.query<{ pid: number; ended_at: Date }>(`select pid, ended_at from workers where status = 'lost'`)
  return {
    jobs: losses.length,
    longest_ms: Math.max(0, ...waits.map(({ whole }) => whole)),
    longest_with_server_ms: Math.max(0, ...waits.map(({ served }) => served)),
    workers_lost_alive: lost.filter(({ pid, ended_at }) => !silences.some((silence) => silence.pid === pid && silence.at <= ended_at.getTime())).length,
  }
}

function lastBefore(times: readonly number[], end: number): number | null {
  const before = times.filter((time) => time <= end)
  return before.length === 0 ? null : Math.max(...before)
}
