import { z } from 'zod'
import { NO_TENANT } from './jobs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** A job whose key is to stay taken for a time from its ENQUEUE on. */
export interface KeptJob {
  organization_id: string | null
  job_type: string
  unique_key: string
  unique_for_ms: number
}

const keyRow = z.object({ tenant: z.string(), job_type: z.string(), unique_key: z.string() })

/**
 * Takes the keys of jobs that are about to be enqueued, for the caller's transaction; `keepKeys` names the jobs. A key
 * may be taken when its time is over, or when its job failed or was cancelled. Of several jobs with one key the first gets it.
 *
 * Whoever is second waits for the first one's commit and is judged by what it left, so no number of enqueuers gets a key
 * twice. A job that failed in the view of this statement may have been queued again since: then it lives, and its live key
 * (job_unique) refuses the enqueue that follows.
 *
 * @returns for each of `jobs`, whether it has its key
 */
export async function takeKeys(db: CommonQueryMethods, jobs: readonly KeptJob[]): Promise<boolean[]> {
  const taken = await db.any(sql.type(keyRow)`
    insert into job_kept_keys as kept (tenant, job_type, unique_key, kept_until)
    select distinct on (1, 2, 3) tenant, job_type, unique_key, now() + unique_for_ms * interval '1 millisecond'
      from unnest(
        ${sql.array(jobs.map(tenantOf), 'uuid')},
        ${sql.array(
          jobs.map((job) => job.job_type),
          'text',
        )},
        ${sql.array(
          jobs.map((job) => job.unique_key),
          'text',
        )},
        ${sql.array(
          jobs.map((job) => job.unique_for_ms),
          'float8',
        )}
      ) with ordinality as wanted (tenant, job_type, unique_key, unique_for_ms, ordinal)
     order by 1, 2, 3, ordinal
        on conflict (tenant, job_type, unique_key) do update set kept_until = excluded.kept_until, job_id = null
     where kept.kept_until <= now() or exists (select from job_queue job where job.id = kept.job_id and job.status in ('failed', 'cancelled'))
    returning tenant, job_type, unique_key`)
  const open = new Set(taken.map(({ tenant, job_type, unique_key }) => JSON.stringify([tenant, job_type, unique_key])))
  return jobs.map((job) => open.delete(JSON.stringify([tenantOf(job), job.job_type, job.unique_key])))
}

/** Says what became of jobs whose keys were taken: the ids of those that were enqueued; null gives the key back. */
export async function keepKeys(db: CommonQueryMethods, jobs: readonly KeptJob[], ids: readonly (number | null)[]): Promise<void> {
  await db.query(sql.typeAlias('void')`
    with enqueued as materialized (
      select * from unnest(
        ${sql.array(jobs.map(tenantOf), 'uuid')},
        ${sql.array(
          jobs.map((job) => job.job_type),
          'text',
        )},
        ${sql.array(
          jobs.map((job) => job.unique_key),
          'text',
        )},
        ${sql.array([...ids], 'int8')}
      ) as enqueued (tenant, job_type, unique_key, job_id)
    ), given_back as (
      delete from job_kept_keys kept using enqueued
       where enqueued.job_id is null
         and kept.tenant = enqueued.tenant and kept.job_type = enqueued.job_type and kept.unique_key = enqueued.unique_key
    )
    update job_kept_keys kept set job_id = enqueued.job_id from enqueued
     where enqueued.job_id is not null
       and kept.tenant = enqueued.tenant and kept.job_type = enqueued.job_type and kept.unique_key = enqueued.unique_key`)
}

const tenantOf = ({ organization_id }: KeptJob): string => organization_id ?? NO_TENANT
