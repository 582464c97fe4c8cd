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
  /** Whether its jobs stand in bundles: jobs of one call that share a place. */
  bundled: z.boolean(),
  /** How many jobs with the key may be held at a time, and how many are; null and 0 where the lane has no limit. */
  limit_max: z.number().nullable(),
  held: z.number(),
  head_us: z.number(),
  due_in_ms: z.number(),
})
/** A lane of a queue: an organisation's waiting jobs of one priority and limit, those with a place of their own apart from those in bundles. `head_us` is the earliest run_after in it, in microseconds since 1970, exact. */
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
    ), bundled as (
      (select tenant, priority, run_after from job_bundles where queue = ${queue} order by tenant, priority, run_after limit 1)
      union all
      select next.tenant, next.priority, next.run_after
        from bundled as lane cross join lateral (
          select tenant, priority, run_after from job_bundles
           where queue = ${queue} and (tenant, priority) > (lane.tenant, lane.priority)
           order by tenant, priority, run_after limit 1
        ) as next
    )
    select tenant, priority, limit_key, limit_max, bundled,
           case when limit_key = '' then 0 else (select count(*)::int from job_slots where name = 'key ' || tenant || ' ' || limit_key) end as held,
           (extract(epoch from run_after) * 1000000)::int8 as head_us,
           extract(epoch from run_after - now())::float8 * 1000 as due_in_ms
      from (
        (select tenant, priority, limit_key, limit_max, run_after, false as bundled from lane limit ${limit})
        union all
        (select tenant, priority, '', null, run_after, true from bundled limit ${limit})
      ) as known`,
    ),
  )
}

/** How many jobs of a lane to claim, none of them due before `after`. */
export interface LaneQuota {
  tenant: string
  priority: number
  limit_key: string
  bundled: boolean
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
  const taken = takenPlaces(claim)
  return db.any(
    prepared(
      `claim-jobs${taken.suffix}`,
      sql.type(claimedRow)`
    with ${taken.places}, claimed as (
      update job_queue job
         set status = 'claimed', version = version + 1, attempt = attempt + 1, locked_by = ${claim.worker}, locked_at = statement_timestamp(), updated_at = now()
        from taken
       where job.id = taken.job_id and job.status = taken.state ${taken.meant}
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
  const taken = takenPlaces(claim)
  return db.any(
    prepared(
      `lease-jobs${taken.suffix}`,
      sql.type(claimedRow)`
    with ${taken.places}, claimed as materialized (
      select job.id, job.organization_id, job.job_type, job.version, job.attempt, job.max_attempts, job.last_error, job.payload,
             taken.lane, taken.run_after, taken.state
        from taken join job_queue job on job.id = taken.job_id and job.status = taken.state ${taken.meant}
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
  const hasBundles = lanes.some((lane) => lane.bundled)
  const places = sql.fragment`
    open as materialized (
      select set_config('synchronous_commit', 'off', true)
       where not exists (select from queues where name = ${queue} and paused_at is not null)
         and exists (select from workers where id = ${worker} and status = 'active')
    ), asked as materialized (
      select tenant, priority, limit_key, timestamptz 'epoch' + head_us * interval '1 microsecond' as head, quota, lane::int, bundled
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
          )},
          ${sql.array(
            column((lane) => lane.bundled),
            'bool',
          )}
        ) with ordinality as lane (tenant, priority, limit_key, head_us, quota, bundled, lane)
    ), due as materialized (
      select place.ctid, place.job_id, asked.lane
        from asked cross join lateral (
          select ctid, job_id from job_ready
           where queue = ${queue} and tenant = asked.tenant and priority = asked.priority and limit_key = asked.limit_key
             and run_after >= asked.head and run_after <= now()
           order by run_after, job_id
           limit asked.quota
             for update skip locked
        ) as place
       where not asked.bundled
    ), ${hasBundles ? sql.fragment`single` : sql.fragment`taken`} as (
      delete from job_ready using due where job_ready.ctid = due.ctid returning job_ready.job_id, due.lane, job_ready.run_after, job_ready.state
    )`
  if (!hasBundles) return { suffix: '', places, meant: sql.fragment`` }
  return { suffix: '-bundled', places: sql.fragment`${places}, ${takenBundles(queue)}`, meant: sql.fragment`and (not taken.bundled or job.version = 1)` }
}

/**
 * Jobs from bundles: the innermost limit counts jobs, so that no more bundles are locked than give them. The last one may
 * be taken in part; the rest keeps its place. What a bundle says of a job holds for its first version alone: one that
 * has moved on, by a hand that knows no bundles, is passed over.
 */
function takenBundles(queue: string) {
  return sql.fragment`
    member as materialized (
      select member.*, asked.lane
        from asked cross join lateral (
          select place.ctid, place.run_after, cardinality(place.job_ids) as size, job_id
            from (
              select ctid, run_after, job_ids from job_bundles
               where queue = ${queue} and tenant = asked.tenant and priority = asked.priority and run_after >= asked.head and run_after <= now()
               order by run_after, last_id
               limit asked.quota
                 for update skip locked
            ) as place left join lateral unnest(place.job_ids) as job_id on true
           limit asked.quota
        ) as member
       where asked.bundled
    ), opened as materialized (
      select ctid, count(job_id)::int as jobs, min(size) as size from member group by ctid
    ), emptied as (
      delete from job_bundles bundle using opened where bundle.ctid = opened.ctid and opened.jobs = opened.size returning opened.ctid as place
    ), shortened as (
      update job_bundles bundle set job_ids = bundle.job_ids[opened.jobs + 1 :]
        from opened where bundle.ctid = opened.ctid and opened.jobs < opened.size
      returning opened.ctid as place
    ), taken as (
      select job_id, lane, run_after, state, false as bundled from single
      union all
      select job_id, lane, run_after, 'queued'::job_status, true
        from member where job_id is not null and ctid in (select place from emptied union all select place from shortened)
    )`
}
