import { z } from 'zod'
import { claimedRow } from './claimed-job.ts'
import type { ClaimedRow } from './claimed-job.ts'
import { leaseFromLane } from './lane-lease.ts'
import { prepared, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export type { ClaimedJob, ClaimedRow } from './claimed-job.ts'

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

/** Jobs that stood in one place and differ in id and payload alone: a row a job took as long to send and read as to find. */
const leasedRow = claimedRow.omit({ id: true, payload: true }).extend({
  /** A PostgreSQL array. */
  ids: z.string(),
  /** A JSON array in the order of the ids. */
  payloads: z.string(),
})
type LeasedRow = z.infer<typeof leasedRow>

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
    with ${taken.places}, taken as (
      select job_id, lane, run_after, state, false as bundled from single${taken.fromBundles}
    ), claimed as (
      update job_queue job
         set status = 'claimed', version = version + 1, attempt = attempt + 1, locked_by = ${claim.worker}, locked_at = statement_timestamp(), updated_at = now()
        from taken
       where job.id = taken.job_id and job.status = taken.state and (not taken.bundled or job.version = 1)
      returning job.id, job.organization_id, job.job_type, job.version, job.attempt, job.max_attempts, job.last_error, job.payload,
                taken.lane, taken.run_after, taken.state
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, worker, organization_id, at)
      select id, version, 'CLAIM', state, 'claimed', attempt, ${claim.worker}, organization_id, statement_timestamp() from claimed
    )
    select id, organization_id, job_type, version, attempt, max_attempts, last_error, payload, ${placeColumns} from claimed order by lane, run_after, id`,
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
  const [lane, ...others] = claim.lanes
  if (lane && others.length === 0 && !lane.bundled && lane.limit_key === '') return leaseFromLane(db, claim, lane)
  const taken = takenPlaces(claim)
  const rows = await db.any(
    prepared(
      `lease-places${taken.suffix}`,
      sql.type(leasedRow)`
    with ${taken.places}, claimed as materialized (
      select job.organization_id, job.job_type, job.version, job.attempt, job.max_attempts, job.last_error,
             array[job.id] as ids, '[' || job.payload::text || ']' as payloads, single.lane, single.run_after, single.state
        from single join job_queue job on job.id = single.job_id and job.status = single.state${taken.kindsInBundles}
    ), leased as (
      insert into job_leases (worker, serial, job_ids, versions)
      select ${claim.worker}, ${claim.serial}, array_agg(id), array_agg(version) from claimed cross join unnest(ids) as id having count(*) > 0
    ), ended as (
      delete from job_leases
       where worker = ${claim.worker} and serial = any(${sql.array([...claim.ended], 'int4')})
         and exists (select from workers where id = ${claim.worker} and status in ('active', 'draining'))
    )
    select organization_id, job_type, version, attempt, max_attempts, last_error, ids::text, payloads, ${placeColumns}
      from claimed order by lane, run_after, ids[1]`,
    ),
  )
  const jobs = rows.flatMap(jobsOf)
  // Jobs of one call that are of several kinds come kind by kind.
  return jobs.every((job, at) => at === 0 || byTurn(jobs[at - 1]!, job) < 0) ? jobs : jobs.toSorted(byTurn)
}

const byTurn = (one: ClaimedRow, other: ClaimedRow): number => one.lane - other.lane || one.due_us - other.due_us || one.id - other.id

/** Each job as a literal: objects that are made by spreading are dictionaries, five times as large, and thousands of them live at a time. */
function jobsOf({ ids, payloads, organization_id, job_type, version, attempt, max_attempts, last_error, lane, was, due_us, wait_ms }: LeasedRow): ClaimedRow[] {
  const all = JSON.parse(payloads) as unknown[]
  return ids
    .slice(1, -1)
    .split(',')
    .map((id, at) => ({
      id: Number(id),
      organization_id,
      job_type,
      version,
      attempt,
      max_attempts,
      last_error,
      payload: all[at],
      lane,
      was,
      due_us,
      wait_ms,
      traceparent: undefined,
    }))
}

// date_part, not extract: a double tells microseconds of our time apart, and costs a third of numeric arithmetic.
const placeColumns = sql.fragment`lane, state as was,
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
    ), single as (
      delete from job_ready using due where job_ready.ctid = due.ctid returning job_ready.job_id, due.lane, job_ready.run_after, job_ready.state
    )`
  const none = sql.fragment``
  if (!hasBundles) return { suffix: '', places, fromBundles: none, kindsInBundles: none }
  return { suffix: '-bundled', places: sql.fragment`${places}, ${takenBundles(queue)}`, fromBundles, kindsInBundles }
}

/**
 * Bundles, of which the innermost limit counts the jobs, so that no more are locked than give them. The last one may be
 * taken in part; the rest keeps its place.
 */
function takenBundles(queue: string) {
  return sql.fragment`
    opened as materialized (
      select ctid, min(lane) as lane, count(place)::int as jobs, min(size) as size
        from asked cross join lateral (
          select bundle.ctid, size, place
            from (
              select ctid, cardinality(job_ids) as size from job_bundles
               where queue = ${queue} and tenant = asked.tenant and priority = asked.priority and run_after >= asked.head and run_after <= now()
               order by run_after, last_id
               limit asked.quota
                 for update skip locked
            ) as bundle left join lateral generate_series(1, size) as place on true
           limit asked.quota
        ) as member
       where asked.bundled
       group by ctid
    ), emptied as (
      delete from job_bundles bundle using opened where bundle.ctid = opened.ctid and opened.jobs = opened.size
      returning opened.lane, bundle.run_after, bundle.job_ids
    ), shortened as (
      update job_bundles bundle set job_ids = bundle.job_ids[opened.jobs + 1 :]
        from opened join job_bundles before on before.ctid = opened.ctid
       where bundle.ctid = opened.ctid and opened.jobs < opened.size
      returning opened.lane, bundle.run_after, before.job_ids[1 : opened.jobs]
    ), bundle as (
      select lane, run_after, job_ids from emptied union all select lane, run_after, job_ids from shortened
    )`
}

// What a bundle says of a job holds for its first version alone: one that has moved on, by a hand that knows no bundles, is passed over.
const fromBundles = sql.fragment`
      union all
      select job_id, lane, run_after, 'queued'::job_status, true from bundle cross join unnest(job_ids) as job_id`
const kindsInBundles = sql.fragment`
      union all
      select kind.*, bundle.lane, bundle.run_after, 'queued'::job_status
        from bundle cross join lateral (
          select organization_id, job_type, version, attempt, max_attempts, last_error, array_agg(id) as ids, '[' || string_agg(payload::text, ',') || ']' as payloads
            from job_queue where id = any(bundle.job_ids) and status = 'queued' and version = 1
           group by organization_id, job_type, version, attempt, max_attempts, last_error
        ) as kind`
