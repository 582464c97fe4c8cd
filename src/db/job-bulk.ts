import { z } from 'zod'
import { JOB_STATES } from '#machines/job.ts'
import type { JobState } from '#machines/job.ts'
import { matching } from './job-lists.ts'
import type { JobFilter } from './job-lists.ts'
import { moveOf } from './job-moves.ts'
import { recordMoves } from './job-records.ts'
import { NO_TENANT } from './jobs.ts'
import type { StandingRow } from './jobs.ts'
import { ofBound, sql } from './sql.ts'
import { countWhenCommitted } from './transition-counts.ts'
import type { CommonQueryMethods, DatabaseTransactionConnection } from './pool.ts'

/** Which jobs to move: those that the filter fits, in one of these states, among these ids where they are given. */
export interface BulkFilter extends JobFilter {
  ids: readonly number[] | null
  states: readonly JobState[]
}

/** The ids of the jobs that match, the oldest first, at most `limit`. */
export async function matchJobs(db: CommonQueryMethods, filter: BulkFilter, limit: number): Promise<readonly number[]> {
  return db.anyFirst(sql.type(z.object({ id: z.number() }))`
    select id from job_queue
     where ${matching(filter)}
       and status = any(${sql.array([...filter.states], 'text')}::job_status[])
       and (${filter.ids === null} or id = any(${sql.array([...(filter.ids ?? [])], 'int8')}))
     order by id limit ${limit}`)
}

/** What came of a batch. */
export interface BulkMoves {
  moved: readonly number[]
  /** Workers hold these: they were asked to abort the handlers, and will record CANCEL themselves. */
  requested: readonly number[]
  /** The queues in which something is to be claimed now. */
  queues: ReadonlySet<string>
}

/**
 * CANCEL or REQUEUE of many jobs, in the caller's transaction: locked in the order of their ids, each decided by the
 * machine on its locked row, and recorded together. What has left the states of the filter meanwhile is passed over, and
 * so is a job to requeue whose unique key another one has.
 */
export async function moveJobs(
  tx: DatabaseTransactionConnection,
  ids: readonly number[],
  { type, states, details }: { type: 'CANCEL' | 'REQUEUE'; states: readonly JobState[]; details: unknown },
): Promise<BulkMoves> {
  const rows = (await lockJobs(tx, ids)).filter((row) => states.includes(row.status))
  const taken = new Set(type === 'REQUEUE' ? await takenKeys(tx, rows) : [])
  const wanted = rows.flatMap((row) => {
    const move = taken.has(row.id) ? null : moveOf(row, { type }, { details })
    return move ? [{ row, move }] : []
  })
  const requested = wanted.filter(({ row }) => row.locked_by !== null).map(({ row }) => row.id)
  if (requested.length > 0) await requestCancels(tx, requested)
  const moved = await recordMoves(
    tx,
    wanted.filter(({ row }) => row.locked_by === null).map(({ move }) => move),
  )
  countWhenCommitted(
    tx,
    wanted.flatMap(({ row, move }) => (moved.has(row.id) ? move.transitions.map(({ event, from, to }) => ({ job_type: row.job_type, event, from, to })) : [])),
  )
  return { moved: [...moved], requested, queues: new Set(rows.filter((row) => moved.has(row.id)).map((row) => row.queue)) }
}

const standingRow: z.ZodType<StandingRow> = z.object({
  id: z.number(),
  organization_id: z.string().nullable(),
  job_type: z.string(),
  queue: z.string(),
  status: z.enum(JOB_STATES),
  version: z.number(),
  attempt: z.number(),
  max_attempts: z.number(),
  locked_by: z.number().nullable(),
  last_error: z.string().nullable(),
  delay_ms: z.number(),
  cancel_requested_at: z.date().nullable(),
})

async function lockJobs(tx: DatabaseTransactionConnection, ids: readonly number[]): Promise<readonly StandingRow[]> {
  return tx.any(sql.type(standingRow)`
    select id, organization_id, job_type, queue, status, version, attempt, max_attempts, locked_by, last_error,
           greatest(0, extract(epoch from run_after - now()) * 1000)::float8 as delay_ms, cancel_requested_at
      from job_queue where id = any(${sql.array([...ids], 'int8')}) and ${ofBound} order by id for update`)
}

/** Those of these ended jobs whose unique key a live job has, or one before it in the batch. */
async function takenKeys(tx: DatabaseTransactionConnection, rows: readonly StandingRow[]): Promise<readonly number[]> {
  return tx.anyFirst(sql.type(z.object({ id: z.number() }))`
    select id from (
      select id, coalesce(organization_id, ${NO_TENANT}) as tenant, job_type, unique_key,
             row_number() over (partition by organization_id, job_type, unique_key order by id) as place
        from job_queue where id = any(${sql.array(
          rows.map((row) => row.id),
          'int8',
        )}) and unique_key is not null and ${ofBound}
    ) as job
     where place > 1 or exists (
       select from job_unique where job_unique.tenant = job.tenant and job_unique.job_type = job.job_type and job_unique.unique_key = job.unique_key)`)
}

async function requestCancels(tx: DatabaseTransactionConnection, ids: readonly number[]): Promise<void> {
  await tx.query(sql.typeAlias('void')`
    update job_queue set cancel_requested_at = coalesce(cancel_requested_at, now()), updated_at = now()
     where id = any(${sql.array([...ids], 'int8')}) and status in ('claimed', 'running') and ${ofBound}`)
}
