import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Leases that one statement turns into claims at most. */
const LEASES_MAX = 20

/** Ends leases of which nothing is left to record. A worker that was declared lost ends none: they are the rescuer's. */
export async function endLeases(db: CommonQueryMethods, worker: number, serials: readonly number[]): Promise<void> {
  await db.query(sql.typeAlias('void')`
    with unhurried as materialized (select set_config('synchronous_commit', 'off', true))
    delete from job_leases using unhurried
     where worker = ${worker} and serial = any(${sql.array([...serials], 'int4')})
       and exists (select from workers where id = ${worker} and status in ('active', 'draining'))`)
}

/** Whose leases are meant: those of workers that have ended, or those of one worker up to a serial of which it does not know. */
export type LeaseHolder = 'ended' | { worker: number; up_to: number; except: readonly number[] }

/**
 * Records CLAIM for jobs that were leased and have not moved since, and ends their leases: from then on they are claimed
 * like all others. A job whose row somebody else has locked keeps its lease for the next time.
 *
 * @returns how many leases were looked at, and whether any is left: kept for such a job, or beyond LEASES_MAX
 */
export async function recordLeases(db: CommonQueryMethods, holder: LeaseHolder): Promise<{ looked: number; left: boolean }> {
  const meant =
    holder === 'ended'
      ? sql.fragment`not exists (select from workers where workers.id = lease.worker and workers.status in ('active', 'draining'))`
      : sql.fragment`lease.worker = ${holder.worker} and lease.serial <= ${holder.up_to} and not lease.serial = any(${sql.array([...holder.except], 'int4')})`
  return db.one(sql.type(z.object({ looked: z.number(), left: z.boolean() }))`
    with looked as materialized (
      select worker, serial, job_ids, versions, leased_at from job_leases lease where ${meant} order by worker, serial limit ${LEASES_MAX} for update skip locked
    ), waiting as materialized (
      select job.id, job.version, job.status, looked.worker, looked.serial, looked.leased_at
        from looked cross join lateral unnest(job_ids, versions) as leased (job_id, version)
        join job_queue job on job.id = leased.job_id and job.version = leased.version and job.status in ('queued', 'retried')
    ), free as materialized (
      select job.id from job_queue job join waiting on waiting.id = job.id order by job.id for update of job skip locked
    ), claimed as (
      update job_queue job
         set status = 'claimed', version = job.version + 1, attempt = attempt + 1, locked_by = waiting.worker, locked_at = waiting.leased_at, updated_at = now()
        from waiting join free on free.id = waiting.id
       where job.id = waiting.id and job.version = waiting.version and job.status = waiting.status
      returning job.id, job.version, job.attempt, job.organization_id, waiting.worker, waiting.status as was
    ), logged as (
      insert into job_events (job_id, seq, event, from_state, to_state, attempt, worker, organization_id)
      select id, version, 'CLAIM', was, 'claimed', attempt, worker, organization_id from claimed
    ), ended as (
      delete from job_leases lease using looked
       where lease.worker = looked.worker and lease.serial = looked.serial and not exists (
         select from waiting where waiting.worker = lease.worker and waiting.serial = lease.serial and waiting.id not in (select id from free))
      returning lease.serial
    )
    select looked, looked > ended or looked = ${LEASES_MAX} as left
      from (select count(*) as looked from looked) as counted, (select count(*) as ended from ended) as gone`)
}
