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
      select nextval('job_queue_id_seq') as id, job.*, now() + delay_ms * interval '1 millisecond' as run_after
        from unnest(${of(jobs, (job) => job.organization_id, 'uuid')}, ${of(jobs, (job) => job.job_type, 'text')}, ${of(jobs, (job) => job.queue, 'text')},
                    ${of(jobs, (job) => job.priority ?? 0, 'int2')}, ${of(jobs, (job) => job.max_attempts, 'int2')}, ${of(jobs, (job) => job.delay_ms ?? 0, 'float8')},
                    ${of(jobs, (job) => JSON.stringify(job.payload ?? {}), 'jsonb')})
             with ordinality as job (organization_id, job_type, queue, priority, max_attempts, delay_ms, payload, ordinal) ${wanted}
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

const of = (jobs: readonly NewJob[], value: (job: NewJob) => string | number | null, type: string) => sql.array(jobs.map(value), type)
