import { z } from 'zod'
import { enqueueJobs } from './job-enqueue.ts'
import type { NewJob } from './job-enqueue.ts'
import { NO_TENANT } from './jobs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods, DatabaseTransactionConnection } from './pool.ts'

/** What becomes of a waiting job when one that it waits for fails or is cancelled: it is cancelled too, or it runs all the same. */
export type OnFailure = 'cancel' | 'run'

/** A job that another is to wait for is not there (any more), or the caller may not see it. */
export class UnknownDependencyError extends Error {
  override name = 'UnknownDependencyError'
  readonly jobs: readonly number[]

  constructor(jobs: readonly number[]) {
    super(`no such job to wait for: ${jobs.join(', ')}`)
    this.jobs = jobs
  }
}

/** A job that another is to wait for has failed already, and failure means not to run. */
export class FailedDependencyError extends Error {
  override name = 'FailedDependencyError'
  readonly jobs: readonly number[]

  constructor(jobs: readonly number[]) {
    super(`has failed or was cancelled already: ${jobs.join(', ')}`)
    this.jobs = jobs
  }
}

/**
 * Enqueues a job that waits for others, in the caller's transaction. The others are locked while they are asked, so that
 * none ends unseen in between.
 *
 * @returns the id, or null where a live job has the same unique key
 * @throws UnknownDependencyError, FailedDependencyError
 */
export async function enqueueDependent(
  tx: DatabaseTransactionConnection,
  job: NewJob,
  dependsOn: readonly number[],
  onFailure: OnFailure,
): Promise<number | null> {
  const wanted = [...new Set(dependsOn)]
  const rows = await markAwaited(tx, wanted)
  const missing = wanted.filter((id) => !rows.some((row) => row.id === id))
  if (missing.length > 0) throw new UnknownDependencyError(missing)
  const failed = rows.filter((row) => row.status === 'failed' || row.status === 'cancelled').map((row) => row.id)
  if (failed.length > 0 && onFailure === 'cancel') throw new FailedDependencyError(failed)
  const live = rows.filter((row) => !['done', 'failed', 'cancelled'].includes(row.status)).map((row) => row.id)
  const [id] = await enqueueJobs(tx, [{ ...job, blocked_by: live.length }])
  if (id === null || id === undefined) return null
  await insertDependencies(tx, id, live, onFailure, job.organization_id)
  return id
}

/**
 * Enqueues jobs and one more that runs when all of them have ended, however: a batch with its completion callback.
 *
 * @returns the ids of the jobs, and that of the callback
 */
export async function enqueueBatch(
  tx: DatabaseTransactionConnection,
  jobs: readonly NewJob[],
  callback: NewJob,
): Promise<{ jobs: (number | null)[]; callback: number | null }> {
  const ids = await enqueueJobs(tx, jobs)
  return {
    jobs: ids,
    callback: await enqueueDependent(
      tx,
      callback,
      ids.filter((id) => id !== null),
      'run',
    ),
  }
}

const awaitedRow = z.object({ id: z.number(), status: z.string() })

async function markAwaited(db: CommonQueryMethods, ids: readonly number[]): Promise<readonly z.infer<typeof awaitedRow>[]> {
  return db.any(sql.type(awaitedRow)`
    with awaited as (select id from job_queue where id = any(${sql.array([...ids], 'int8')}) order by id for update)
    update job_queue set has_dependents = true from awaited where job_queue.id = awaited.id returning job_queue.id, job_queue.status`)
}

async function insertDependencies(
  db: CommonQueryMethods,
  job: number,
  dependsOn: readonly number[],
  onFailure: OnFailure,
  organizationId: string | null,
): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into job_dependencies (job_id, depends_on, on_failure, tenant)
    select ${job}, depends_on, ${onFailure}, ${organizationId ?? NO_TENANT}::uuid from unnest(${sql.array([...dependsOn], 'int8')}) as depends_on`)
}

/** The jobs that this one still waits for, as far as they are known. */
export async function dependenciesOf(db: CommonQueryMethods, job: number): Promise<readonly number[]> {
  return db.anyFirst(sql.type(z.object({ depends_on: z.number() }))`select depends_on from job_dependencies where job_id = ${job} order by depends_on`)
}

/** Ended jobs for which others still wait: what a crash between an end and its resolution left, or a failure that cancels. */
export async function unresolvedEnds(db: CommonQueryMethods, limit: number): Promise<readonly number[]> {
  return db.anyFirst(sql.type(z.object({ id: z.number() }))`
    select distinct job.id from job_dependencies join job_queue job on job.id = depends_on
     where job.status in ('done', 'failed', 'cancelled') order by job.id limit ${limit}`)
}

const doomedRow = z.object({ id: z.number(), failed: z.array(z.number()) })

/** The live jobs that are to be cancelled because some that they wait for have failed, were cancelled, or are gone, and which those are. */
export async function doomedDependents(db: CommonQueryMethods, limit: number): Promise<readonly z.infer<typeof doomedRow>[]> {
  return db.any(sql.type(doomedRow)`
    select dependency.job_id as id, array_agg(dependency.depends_on order by dependency.depends_on) as failed
      from job_dependencies dependency left join job_queue job on job.id = dependency.depends_on
     where dependency.on_failure = 'cancel' and (job.id is null or job.status in ('failed', 'cancelled')) group by 1 order by 1 limit ${limit}`)
}

/** Lets a job wait for nothing more. */
export async function dropDependencies(db: CommonQueryMethods, job: number): Promise<void> {
  await db.query(sql.typeAlias('void')`
    with dropped as (delete from job_dependencies where job_id = ${job})
    update job_queue set blocked_by = 0 where id = ${job}`)
}

/**
 * Lets those go on that waited for jobs that have ended: each is placed in its lane when the last it waits for has ended.
 * A job whose dependency failed, and that was not told to run all the same, is left to the resolver, which cancels it.
 *
 * @returns the queues in which a job was placed
 */
export async function resolveDependents(db: CommonQueryMethods, ended: readonly number[]): Promise<readonly string[]> {
  const placed = await db.any(sql.type(z.object({ queue: z.string(), notified: z.string().nullable() }))`
    with ended as (
      select id, status from job_queue where id = any(${sql.array([...ended], 'int8')}) and status in ('done', 'failed', 'cancelled')
    ), resolved as (
      delete from job_dependencies using ended
       where depends_on = ended.id and (ended.status = 'done' or on_failure = 'run')
      returning job_dependencies.job_id
    ), counted as (
      select job_id, count(*)::int as resolved from resolved group by job_id order by job_id
    ), unblocked as (
      update job_queue job set blocked_by = greatest(0, job.blocked_by - resolved), updated_at = now() from counted where job.id = counted.job_id
      returning job.id, job.queue, job.organization_id, job.priority, job.limit_key, job.limit_max, job.run_after, job.status, job.blocked_by
    ), placed as (
      insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
      select queue, coalesce(organization_id, ${NO_TENANT}), priority, coalesce(limit_key, ''), limit_max, run_after, id, status
        from unblocked where blocked_by = 0 and status in ('queued', 'retried')
      returning queue
    )
    select queue, pg_notify('atum_jobs', jsonb_build_object('queues', jsonb_build_array(queue))::text)::text as notified
      from (select distinct queue from placed) as placed`)
  return placed.map((row) => row.queue)
}
