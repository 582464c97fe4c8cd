import type { FragmentSqlToken } from 'slonik'
import type { NewJob } from './job-enqueue.ts'
import { NO_TENANT } from './jobs.ts'
import { sql } from './sql.ts'

/** Whether a job waits for its time and for nothing else: it has no key, no limit, and no other job before it. */
export function isPlain(job: NewJob): boolean {
  return job.unique_key == null && job.limit_key == null && (job.blocked_by ?? 0) === 0
}

/**
 * Few plain jobs as parts of a statement, behind `with`: `job` has them with their ids, and `queued`, `ready` and `logged` write them.
 * What keys, limits and kinds cost PostgreSQL before the first row is more than what these jobs cost.
 *
 * @param wanted which of them; all where it is not said
 */
export function plainJobs(jobs: readonly NewJob[], traceparent: string | null, wanted: FragmentSqlToken = sql.fragment``): FragmentSqlToken {
  return sql.fragment`
    job as materialized (
      select nextval('job_queue_id_seq') as id, (job ->> 0)::uuid as organization_id, job ->> 1 as job_type, job ->> 2 as queue, (job ->> 3)::int2 as priority,
             (job ->> 4)::int2 as max_attempts, now() + (job ->> 5)::float8 * interval '1 millisecond' as run_after, job -> 6 as payload, ordinal
        from jsonb_array_elements(${JSON.stringify(jobs.map(columnsOf))}::jsonb) with ordinality as job (job, ordinal) ${wanted}
    ), queued as (
      insert into job_queue (id, organization_id, job_type, queue, priority, max_attempts, run_after, payload, traceparent)
      overriding system value
      select id, organization_id, job_type, queue, priority, max_attempts, run_after, payload, ${traceparent}::text from job
      returning id
    ), ready as (
      insert into job_ready (queue, tenant, priority, run_after, job_id, state)
      select queue, coalesce(organization_id, ${NO_TENANT}), priority, run_after, id, 'queued' from job
      returning job_id
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, organization_id)
      select id, 1, 'ENQUEUE', null, 'queued', 0, organization_id from job
      returning job_id
    )`
}

/** Tells the workers as the transaction commits, where there is something to tell. */
export const told = (message: string | null) => sql.fragment`(select pg_notify('atum_jobs', ${message}::text) where ${message}::text is not null) as told`

/** One value for all of them: to read an array a column and put them side by side takes PostgreSQL 40 us longer. */
const columnsOf = ({ organization_id, job_type, queue, priority = 0, max_attempts, delay_ms = 0, payload }: NewJob) => [
  organization_id,
  job_type,
  queue,
  priority,
  max_attempts,
  delay_ms,
  payload ?? {},
]
