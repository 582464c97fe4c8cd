import { z } from 'zod'
import { prepared, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** What the engine needs of a claimed job; narrow, because it is read tens of thousands of times a second. */
const claimedJob = z.object({
  id: z.number(),
  organization_id: z.string().nullable(),
  job_type: z.string(),
  version: z.number(),
  attempt: z.number(),
  max_attempts: z.number(),
  last_error: z.string().nullable(),
  payload: z.unknown(),
})
export interface ClaimedJob extends z.infer<typeof claimedJob> {
  was: 'queued' | 'retried'
  /** By which its trace goes on, where it is traced. */
  traceparent?: string | undefined
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
  return db.any(
    prepared(
      'ready-lanes',
      sql.type(laneRow)`
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
      from lane limit ${limit}`,
    ),
  )
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

/** What a claim is made with. */
export interface Claim {
  queue: string
  worker: number
  lanes: readonly LaneQuota[]
}

/**
 * CLAIM, recorded at once: for jobs under a limit, whose slots must be counted with the claim. It takes due jobs of the
 * given lanes for a live worker, unless their queue is paused. It happens now, not when its transaction began to wait for
 * the limit's lock.
 */
export async function claimJobs(db: CommonQueryMethods, claim: Claim): Promise<readonly ClaimedRow[]> {
  return db.any(
    prepared(
      'claim-jobs',
      sql.type(claimedRow)`
    with ${takenPlaces(claim)}, claimed as (
      update job_queue job
         set status = 'claimed', version = version + 1, attempt = attempt + 1, locked_by = ${claim.worker}, locked_at = statement_timestamp(), updated_at = now()
        from taken
       where job.id = taken.job_id and job.status = taken.state
      returning job.id, job.organization_id, job.job_type, job.version, job.attempt, job.max_attempts, job.last_error, job.payload,
                taken.lane, taken.run_after, taken.state
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, worker, organization_id, at)
      select id, version, 'CLAIM', state, 'claimed', attempt, ${claim.worker}, organization_id, statement_timestamp() from claimed
    )
    select ${claimedColumns} from claimed order by lane, run_after, id`,
    ),
  )
}

/**
 * Takes jobs under a lease: their places, and one row that says who has them. Their rows are as they were until CLAIM is
 * recorded with what follows it (see Move.lease), or by recordLeases where the worker dies before.
 *
 * @param claim.serial the worker's count of its leases, never used twice
 * @param claim.ended serials of leases of which nothing is left to record: their rows go, unless the worker was declared lost
 */
export async function leaseJobs(db: CommonQueryMethods, claim: Claim & { serial: number; ended: readonly number[] }): Promise<readonly ClaimedRow[]> {
  return db.any(
    prepared(
      'lease-jobs',
      sql.type(claimedRow)`
    with ${takenPlaces(claim)}, claimed as materialized (
      select job.id, job.organization_id, job.job_type, job.version, job.attempt, job.max_attempts, job.last_error, job.payload,
             taken.lane, taken.run_after, taken.state
        from taken join job_queue job on job.id = taken.job_id and job.status = taken.state
    ), leased as (
      insert into job_leases (worker, serial, job_ids, versions)
      select ${claim.worker}, ${claim.serial}, array_agg(id), array_agg(version) from claimed having count(*) > 0
    ), ended as (
      delete from job_leases
       where worker = ${claim.worker} and serial = any(${sql.array([...claim.ended], 'int4')})
         and exists (select from workers where id = ${claim.worker} and status in ('active', 'draining'))
    )
    select ${claimedColumns} from claimed order by lane, run_after, id`,
    ),
  )
}

// date_part, not extract: a double tells microseconds of our time apart, and costs a third of numeric arithmetic.
const claimedColumns = sql.fragment`id, organization_id, job_type, version, attempt, max_attempts, last_error, payload, lane, state as was,
  round(date_part('epoch', run_after) * 1000000)::int8 as due_us, (date_part('epoch', now() - run_after) * 1000)::float4 as wait_ms`

/**
 * The places of due jobs, taken from their lanes. Two workers never receive the same job: the places are locked as they
 * are chosen, and locked ones are passed over.
 *
 * The commit is not waited for: a claim that a power cut undoes was never made, since whatever the worker records later
 * is fenced by the version that the claim gave, or by the lease that is gone.
 */
function takenPlaces({ queue, worker, lanes }: Claim) {
  const column = <T>(pick: (lane: LaneQuota) => T) => lanes.map(pick)
  return sql.fragment`
    open as materialized (
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
    )`
}
