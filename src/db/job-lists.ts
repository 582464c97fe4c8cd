import { z } from 'zod'
import type { JobState } from '#machines/job.ts'
import { jobEventRow, jobRow, NO_TENANT } from './jobs.ts'
import type { NewJob } from './job-enqueue.ts'
import type { JobEventRow, JobRow } from './jobs.ts'
import { ofBound, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const jobColumns = sql.fragment`
  id, organization_id, job_type, queue, status, priority, version, attempt, max_attempts, run_after, locked_by, locked_at, cancel_requested_at,
  unique_key, payload, result, last_error, created_at, updated_at, finished_at`

export interface JobFilter {
  status: JobState | null
  job_type: string | null
  queue: string | null
  organization_id: string | null
  locked_by: number | null
  ticket_id: string | null
  /** Text in the payload or the last error. */
  q: string | null
  /** ISO 8601. */
  created_after: string | null
  created_before: string | null
}

/** The condition of a filter; what is null in it is not asked. */
export const matching = (filter: JobFilter) => sql.fragment`
       (${filter.status}::job_status is null or status = ${filter.status}::job_status)
   and (${filter.job_type}::text is null or job_type = ${filter.job_type})
   and (${filter.queue}::text is null or queue = ${filter.queue})
   and (${filter.organization_id}::uuid is null or organization_id = ${filter.organization_id}::uuid)
   and (${filter.locked_by}::int8 is null or locked_by = ${filter.locked_by}::int8)
   and (${filter.ticket_id}::text is null or payload ->> 'ticket_id' = ${filter.ticket_id})
   and (${filter.created_after}::timestamptz is null or created_at > ${filter.created_after}::timestamptz)
   and (${filter.created_before}::timestamptz is null or created_at < ${filter.created_before}::timestamptz)
   and (${filter.q}::text is null or strpos(lower(payload::text), lower(${filter.q})) > 0 or strpos(lower(last_error), lower(${filter.q})) > 0)`

/** Jobs from the newest id down, those from `from` on and below `before` where they are given. */
export async function listJobs(
  db: CommonQueryMethods,
  filter: JobFilter,
  page: { from: number | null; before: number | null; limit: number },
): Promise<readonly JobRow[]> {
  return db.any(sql.type(jobRow)`
    select ${jobColumns} from job_queue
     where (${page.from}::int8 is null or id >= ${page.from}::int8) and (${page.before}::int8 is null or id < ${page.before}::int8) and ${matching(filter)}
     order by id desc limit ${page.limit}`)
}

const jobDetailRow = jobRow.extend({ progress: z.unknown() })
export type JobDetailRow = z.infer<typeof jobDetailRow>

/** A job with what its handler reports, or null where the caller may see none with this id. */
export async function findJob(db: CommonQueryMethods, id: number): Promise<JobDetailRow | null> {
  return db.maybeOne(sql.type(jobDetailRow)`select ${jobColumns}, progress from job_queue where id = ${id} and ${ofBound}`)
}

/** The jobs with these ids, in the order of their ids. */
export async function findJobs(db: CommonQueryMethods, ids: readonly number[]): Promise<readonly JobRow[]> {
  return db.any(sql.type(jobRow)`select ${jobColumns} from job_queue where id = any(${sql.array(ids, 'int8')}) and ${ofBound} order by id`)
}

/** The jobs that have the unique keys of these: because they live, or because they keep them for a period. */
export async function jobsWithKeys(db: CommonQueryMethods, jobs: readonly NewJob[]): Promise<readonly number[]> {
  return db.anyFirst(sql.type(z.object({ job_id: z.number() }))`
    with wanted as materialized (
      select * from unnest(
        ${sql.array(
          jobs.map((job) => job.organization_id ?? NO_TENANT),
          'uuid',
        )},
        ${sql.array(
          jobs.map((job) => job.job_type),
          'text',
        )},
        ${sql.array(
          jobs.map((job) => job.unique_key ?? null),
          'text',
        )},
        ${sql.array(
          jobs.map((job) => job.unique_for_ms != null),
          'bool',
        )}
      ) as wanted (tenant, job_type, unique_key, for_a_period)
    )
    select job_id from job_unique join wanted using (tenant, job_type, unique_key)
     union
    select job_id from job_kept_keys join wanted using (tenant, job_type, unique_key) where for_a_period and kept_until > now() and job_id is not null
     order by job_id`)
}

/** How far an event's time may lie outside its job's life: clocks of one transaction and the next. */
const LOG_MARGIN = sql.fragment`interval '1 minute'`

/** A job's log in its order, after `seq` where it is given; from the days in which the job lived, as long as its row is kept. */
export async function listJobEvents(db: CommonQueryMethods, jobId: number, page: { after: number; limit: number }): Promise<readonly JobEventRow[]> {
  return db.any(sql.type(jobEventRow)`
    select seq, event, from_state, to_state, attempt, worker, at, details
      from job_events
     where job_id = ${jobId} and seq > ${page.after}::int8 and ${ofBound}
       and at >= coalesce((select created_at - ${LOG_MARGIN} from job_queue where id = ${jobId} and ${ofBound}), '-infinity')
       and at <= coalesce((select finished_at + ${LOG_MARGIN} from job_queue where id = ${jobId} and ${ofBound}), 'infinity')
     order by seq limit ${page.limit}`)
}

const oldestRow = z.object({ queue: z.string(), seconds: z.number() })

/**
 * The age of the oldest due job of each queue that has one, of one organisation where it is given. It hops from lane to
 * lane, so its cost is the number of lanes, not of jobs.
 */
export async function oldestDue(db: CommonQueryMethods, organizationId: string | null = null): Promise<readonly z.infer<typeof oldestRow>[]> {
  return db.any(sql.type(oldestRow)`
    with recursive lane as (
      (select queue, tenant, priority, limit_key, run_after from job_ready order by queue, tenant, priority, limit_key, run_after limit 1)
      union all
      select next.queue, next.tenant, next.priority, next.limit_key, next.run_after
        from lane cross join lateral (
          select queue, tenant, priority, limit_key, run_after from job_ready
           where (queue, tenant, priority, limit_key) > (lane.queue, lane.tenant, lane.priority, lane.limit_key)
           order by queue, tenant, priority, limit_key, run_after limit 1
        ) as next
    ), bundled as (
      (select queue, tenant, priority, run_after from job_bundles order by queue, tenant, priority, run_after limit 1)
      union all
      select next.queue, next.tenant, next.priority, next.run_after
        from bundled as lane cross join lateral (
          select queue, tenant, priority, run_after from job_bundles
           where (queue, tenant, priority) > (lane.queue, lane.tenant, lane.priority)
           order by queue, tenant, priority, run_after limit 1
        ) as next
    )
    select queue, extract(epoch from now() - min(run_after))::float8 as seconds
      from (select queue, tenant, run_after from lane union all select queue, tenant, run_after from bundled) as head where run_after <= now() and (${organizationId}::uuid is null or tenant = ${organizationId}::uuid) group by queue`)
}
