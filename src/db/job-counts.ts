import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { JOB_STATES } from '#machines/job.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods, DatabasePool, DatabaseTransactionConnection } from './pool.ts'

/** Ids a range; the same as in job_range of the database. */
export const RANGE_IDS = 5_000
/** A range is settled when at most this share of its jobs is live: each of them costs the count a look. */
const LIVE_SHARE = 0.1
/** Ranges that one transaction looks at: some 50 ms during which a requeue waits. */
const RANGES_MAX = 20
const EXCEPTIONS_MAX = 5_000
/** Below this many sums it is not worth adding them up. */
const COMPACT_MIN = 1_000
/** How long the settling waits for transactions that write jobs; then it leaves the rest to the next time. */
const WRITERS_MS = 1_000
const WRITERS_EVERY_MS = 50

const countRow = z.object({ job_type: z.string(), queue: z.string(), status: z.enum(JOB_STATES), jobs: z.number() })
export type JobCount = z.infer<typeof countRow>

// `limit 1` holds the plan: a job by its id each, never all jobs joined to a few.

/**
 * How many jobs there are of each type in each queue and state, of one organisation where it is given: exact, under the
 * snapshot of one statement. Its cost is the live jobs and the last few thousand ended ones, not the history. For the
 * installation's role.
 */
export async function readJobCounts(db: CommonQueryMethods, organizationId: string | null): Promise<readonly JobCount[]> {
  return db.any(sql.type(countRow)`
    with unsettled as materialized (
      select id_range from generate_series(job_range((select min(id) from job_queue)), job_range((select max(id) from job_queue))) as series (id_range)
       where not exists (select from job_count_ranges settled where settled.id_range = series.id_range)
    ), counted as (
      select job_type, queue, status, jobs from job_counts where ${organizationId}::uuid is null or tenant = ${organizationId}::uuid
      union all
      select job_type, queue, status, 1
        from job_count_exceptions cross join lateral (select * from job_queue where id = job_id limit 1) as job
       where ${organizationId}::uuid is null or organization_id = ${organizationId}::uuid
      union all
      select job_type, queue, status, jobs
        from unsettled cross join lateral (
          select job_type, queue, status, count(*) as jobs from job_queue
           where id >= id_range * ${RANGE_IDS}::int8 and id < (id_range + 1) * ${RANGE_IDS}::int8
             and (${organizationId}::uuid is null or organization_id = ${organizationId}::uuid)
           group by job_type, queue, status
        ) as here
    )
    select job_type, queue, status, sum(jobs)::int8 as jobs from counted group by job_type, queue, status having sum(jobs) <> 0`)
}

/** The same, counted job by job: what the other is tested by. It reads the whole table. */
export async function countEveryJob(db: CommonQueryMethods, organizationId: string | null): Promise<readonly JobCount[]> {
  return db.any(sql.type(countRow)`
    select job_type, queue, status, count(*) as jobs from job_queue
     where ${organizationId}::uuid is null or organization_id = ${organizationId}::uuid group by job_type, queue, status`)
}

/** A count that is not what it should be. */
export type CountDifference = Omit<JobCount, 'jobs'> & { kept: number; counted: number }

/** Where the counts that are kept differ from a count of every job, under one snapshot. */
export async function compareJobCounts(pool: Pick<DatabasePool, 'transaction'>): Promise<CountDifference[]> {
  const [kept, counted] = await pool.transaction(async (tx) => {
    await tx.query(sql.typeAlias('void')`set transaction isolation level repeatable read, read only`)
    return [await readJobCounts(tx, null), await countEveryJob(tx, null)] as const
  })
  const pairs = new Map<string, CountDifference>()
  for (const [side, counts] of [['kept', kept] as const, ['counted', counted] as const]) {
    for (const { jobs, ...kind } of counts) {
      const key = JSON.stringify(kind)
      pairs.set(key, { ...(pairs.get(key) ?? { ...kind, kept: 0, counted: 0 }), [side]: jobs })
    }
  }
  return [...pairs.values()].filter((pair) => pair.kept !== pair.counted)
}

/** Adds up how many jobs stand in each state. Pure. */
export function byStatus(counts: readonly JobCount[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const { status, jobs } of counts) sums[status] = (sums[status] ?? 0) + jobs
  return sums
}

/**
 * Settles the ranges of jobs that have nearly all ended, some at a time, and folds in the exceptions that have ended
 * since. One process does it at a time: where another is at it, or a requeue is under way, it is left for the next time.
 *
 * @param after only ranges behind this one, so that those which stay live do not hold up the others
 * @returns the last range that was looked at, or null where there was none; and how many were settled
 */
export async function settleJobCounts(
  pool: Pick<DatabasePool, 'any' | 'anyFirst' | 'exists' | 'maybeOneFirst' | 'transaction'>,
  after: number,
): Promise<{ last: number | null; settled: number }> {
  const complete = await completeRanges(pool)
  return pool.transaction(async (tx) => {
    if (complete === null || !(await lockAlone(tx))) return { last: null, settled: 0 }
    const looked = await settleRanges(tx, { after, complete })
    await foldExceptions(tx)
    await learnKinds(tx)
    await compact(tx)
    return looked
  })
}

/** Forgets what is settled, so that every job is counted anew. */
export async function forgetJobCounts(tx: DatabaseTransactionConnection): Promise<void> {
  await tx.query(sql.typeAlias('void')`select pg_advisory_xact_lock(hashtext('job_counts'))`)
  await tx.query(sql.typeAlias('void')`
    with ranges as (delete from job_count_ranges), exceptions as (delete from job_count_exceptions), kinds as (delete from job_range_kinds)
    delete from job_counts`)
}

/**
 * The first range in which a new job may still appear; null where that cannot be said now.
 *
 * An id is handed out before its row can be seen, so a range below the highest id may lack a row that is about to be
 * committed. Whoever was given an id below that one holds the lock of a writer on job_queue until then: when those who
 * hold it now have ended, the range is complete.
 */
async function completeRanges(db: Pick<CommonQueryMethods, 'anyFirst' | 'exists' | 'maybeOneFirst'>): Promise<number | null> {
  const highest = await db.maybeOneFirst(sql.type(z.object({ id: z.number() }))`select id from job_queue order by id desc limit 1`)
  if (highest === null) return null
  const writers = await jobWriters(db)
  for (const end = performance.now() + WRITERS_MS; await stillWrite(db, writers); await pause(WRITERS_EVERY_MS)) {
    if (performance.now() > end) return null
  }
  return Math.floor((highest + 1) / RANGE_IDS)
}

async function jobWriters(db: Pick<CommonQueryMethods, 'anyFirst'>): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ virtualtransaction: z.string() }))`
    select virtualtransaction from pg_locks
     where locktype = 'relation' and relation = 'job_queue'::regclass and mode = 'RowExclusiveLock' and granted
       and database = (select oid from pg_database where datname = current_database())`)
}

async function stillWrite(db: Pick<CommonQueryMethods, 'exists'>, writers: readonly string[]): Promise<boolean> {
  if (writers.length === 0) return false
  return db.exists(sql.type(z.object({ virtualtransaction: z.string() }))`
    select virtualtransaction from pg_locks
     where locktype = 'relation' and relation = 'job_queue'::regclass and mode = 'RowExclusiveLock'
       and virtualtransaction = any(${sql.array([...writers], 'text')})`)
}

/** Never waits: who waits for this lock holds up the requeues behind it. */
async function lockAlone(tx: DatabaseTransactionConnection): Promise<boolean> {
  return tx.oneFirst(sql.type(z.object({ locked: z.boolean() }))`select pg_try_advisory_xact_lock(hashtext('job_counts')) as locked`)
}

const settledRow = z.object({ last: z.number().nullable(), settled: z.number() })

async function settleRanges(tx: DatabaseTransactionConnection, { after, complete }: { after: number; complete: number }): Promise<z.infer<typeof settledRow>> {
  return tx.one(sql.type(settledRow)`
    with looked as materialized (
      select id_range
        from generate_series(greatest(job_range((select min(id) from job_queue)), ${after}::int8 + 1), ${complete}::int8 - 1) as series (id_range)
       where not exists (select from job_count_ranges settled where settled.id_range = series.id_range)
       order by id_range limit ${RANGES_MAX}
    ), jobs as materialized (
      select id_range, id, coalesce(organization_id, '00000000-0000-0000-0000-000000000000') as tenant, job_type, queue, status, finished_at is null as is_live, created_at
        from looked cross join lateral (
          select * from job_queue where id >= id_range * ${RANGE_IDS}::int8 and id < (id_range + 1) * ${RANGE_IDS}::int8
        ) as here
    ), quiet as materialized (
      select id_range from looked left join jobs using (id_range)
       group by id_range having count(*) filter (where is_live) <= count(id) * ${LIVE_SHARE}::float8
    ), settled as (
      insert into job_count_ranges (id_range, kinds_known, created_from, created_to)
      select id_range, true, min(created_at), max(created_at) from quiet left join jobs using (id_range) group by id_range
    ), kinds as (
      insert into job_range_kinds (id_range, status, job_type, queue, tenant)
      select distinct id_range, status, job_type, queue, tenant from jobs join quiet using (id_range) where not is_live
      on conflict do nothing
    ), excepted as (
      insert into job_count_exceptions (job_id) select id from jobs join quiet using (id_range) where is_live
    ), counted as (
      insert into job_counts (tenant, job_type, queue, status, jobs)
      select tenant, job_type, queue, status, count(*) from jobs join quiet using (id_range) where not is_live group by tenant, job_type, queue, status
    )
    select (select max(id_range) from looked) as last, (select count(*) from quiet) as settled`)
}

async function foldExceptions(tx: DatabaseTransactionConnection): Promise<void> {
  await tx.query(sql.typeAlias('void')`
    with ended as materialized (
      select id, coalesce(organization_id, '00000000-0000-0000-0000-000000000000') as tenant, job_type, queue, status
        from job_count_exceptions cross join lateral (select * from job_queue where id = job_id limit 1) as job
       where finished_at is not null limit ${EXCEPTIONS_MAX}
    ), gone as (
      delete from job_count_exceptions using ended where job_id = ended.id
    ), kinds as (
      insert into job_range_kinds (id_range, status, job_type, queue, tenant)
      select distinct job_range(id), status, job_type, queue, tenant from ended on conflict do nothing
    )
    insert into job_counts (tenant, job_type, queue, status, jobs)
    select tenant, job_type, queue, status, count(*) from ended group by tenant, job_type, queue, status`)
}

/** What the ranges hold that were settled before this was kept, some at a time; and forgets it of those whose jobs are all gone. */
async function learnKinds(tx: DatabaseTransactionConnection): Promise<void> {
  await tx.query(sql.typeAlias('void')`
    with unknown as materialized (
      select id_range from job_count_ranges where not kinds_known order by id_range desc limit ${RANGES_MAX}
    ), jobs as materialized (
      select id_range, coalesce(organization_id, '00000000-0000-0000-0000-000000000000') as tenant, job_type, queue, status, finished_at, created_at
        from unknown cross join lateral (
          select * from job_queue where id >= id_range * ${RANGE_IDS}::int8 and id < (id_range + 1) * ${RANGE_IDS}::int8
        ) as here
    ), kinds as (
      insert into job_range_kinds (id_range, status, job_type, queue, tenant)
      select distinct id_range, status, job_type, queue, tenant from jobs where finished_at is not null
      on conflict do nothing
    ), known as (
      update job_count_ranges settled set kinds_known = true, created_from = life.created_from, created_to = life.created_to
        from (select id_range, min(created_at) as created_from, max(created_at) as created_to from unknown left join jobs using (id_range) group by id_range) as life
       where settled.id_range = life.id_range
    )
    delete from job_range_kinds where id_range < job_range((select min(id) from job_queue))`)
}

async function compact(tx: DatabaseTransactionConnection): Promise<void> {
  await tx.query(sql.typeAlias('void')`
    with size as materialized (
      select count(*) as sums, count(distinct (tenant, job_type, queue, status)) as kinds from job_counts
    ), gone as (
      delete from job_counts where (select sums > ${COMPACT_MIN} and sums > 2 * kinds from size) returning tenant, job_type, queue, status, jobs
    )
    insert into job_counts (tenant, job_type, queue, status, jobs)
    select tenant, job_type, queue, status, sum(jobs) from gone group by tenant, job_type, queue, status having sum(jobs) <> 0`)
}
