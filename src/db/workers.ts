import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export interface WorkerDescription {
  name: string
  host: string
  pid: number
  version: string
  queues: readonly string[]
  /** The number that the same process had before the others took it for dead: a drain that was asked of that is asked of this. */
  formerly?: number
}

/** PostgreSQL cuts a session's name after so many characters. */
const SESSION_NAME_MAX = 63

/** What the sessions of a worker's process are called in PostgreSQL: by it they are found when the worker is lost. */
export function workerSession(host: string, pid: number): string {
  return `atum-desk worker ${pid}@${host}`.slice(0, SESSION_NAME_MAX)
}

/** Enters a worker; its jobs are fenced by this id, which is never used again. */
export async function registerWorker(db: CommonQueryMethods, worker: WorkerDescription): Promise<number> {
  return db.oneFirst(sql.type(z.object({ id: z.number() }))`
    insert into workers (name, host, pid, version, queues, drain_requested_at)
    values (${worker.name}, ${worker.host}, ${worker.pid}, ${worker.version}, ${sql.array([...worker.queues], 'text')},
            (select drain_requested_at from workers where id = ${worker.formerly ?? null}::int))
    returning id`)
}

/**
 * Says that the worker lives. The commit is not waited for: a beat that a fall of the server undoes counts for nothing, since its start
 * counts as one, and a flush a beat held up the jobs that were enqueued meanwhile.
 *
 * @returns whether it is asked to drain; null where the others have taken it for dead meanwhile
 */
export async function heartbeat(
  db: CommonQueryMethods,
  id: number,
  facts: { event_loop_lag_ms: number; actor_tree: unknown },
): Promise<{ drain_requested: boolean } | null> {
  return db.maybeOne(sql.type(z.object({ drain_requested: z.boolean() }))`
    with unhurried as materialized (select set_config('synchronous_commit', 'off', true))
    update workers set heartbeat_at = now(), event_loop_lag_ms = ${facts.event_loop_lag_ms}, actor_tree = ${JSON.stringify(facts.actor_tree)}::jsonb
      from unhurried
     where id = ${id} and status in ('active', 'draining')
    returning drain_requested_at is not null as drain_requested`)
}

/** The worker claims no more (`draining`), or is gone by its own will (`stopped`). */
export async function setWorkerStatus(db: CommonQueryMethods, id: number, status: 'draining' | 'stopped'): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update workers
       set status = ${status}, heartbeat_at = now(), ended_at = case when ${status} = 'stopped' then now() end,
           actor_tree = case when ${status} = 'stopped' then '{}' else actor_tree end
     where id = ${id} and status in ('active', 'draining')`)
}

/**
 * Declares workers lost whose heartbeat is older than `lostMs`, by the database's clock. A server that was down itself
 * could take no heartbeat: its start counts as one.
 */
export async function declareLostWorkers(db: CommonQueryMethods, lostMs: number): Promise<readonly number[]> {
  return db.anyFirst(sql.type(z.object({ id: z.number() }))`
    update workers set status = 'lost', ended_at = now()
     where status in ('active', 'draining')
       and greatest(heartbeat_at, pg_postmaster_start_time()) < now() - ${lostMs} * interval '1 millisecond'
    returning id`)
}

/**
 * Ends the transactions in which lost workers hang: a process that was stopped, or a machine that vanished, keeps its locks, and
 * with the lock on a queue's limits everybody would wait for it. One whose name a living worker bears, too, is let be.
 *
 * @returns how many
 */
export async function endTransactionsOfLost(db: CommonQueryMethods): Promise<number> {
  return db.oneFirst(sql.type(z.object({ ended: z.number() }))`
    with session as materialized (
      select left('atum-desk worker ' || pid || '@' || host, ${SESSION_NAME_MAX}) as name
        from workers where ended_at is null or (status = 'lost' and rescued_at is null)
       group by 1 having every(status = 'lost')
    )
    select count(pg_terminate_backend(pid))::int as ended
      from pg_stat_activity
     where usename = current_user and datname = current_database() and pid <> pg_backend_pid()
       and xact_start is not null and application_name in (select name from session)`)
}

/** Whether a worker has ended whose jobs have not all been looked for yet. */
export async function hasUnrescuedWorkers(db: CommonQueryMethods): Promise<boolean> {
  return db.exists(sql.type(z.object({ id: z.number() }))`select id from workers where ended_at is not null and rescued_at is null`)
}

/**
 * Closes the rescue of workers that ended at least `settleMs` ago and hold nothing: a claim that was under way when they
 * were declared lost has come to its end by then. A job that a hanging transaction hides from the rescuer keeps it open.
 */
export async function closeRescues(db: CommonQueryMethods, settleMs: number): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update workers set rescued_at = now()
     where ended_at is not null and rescued_at is null and ended_at < now() - ${settleMs} * interval '1 millisecond'
       and not exists (select from job_leases where worker = workers.id)
       and not exists (select from job_queue where locked_by = workers.id and status in ('claimed', 'running'))`)
}

const heldJob = z.object({ id: z.number(), locked_by: z.number().nullable(), cancel_requested: z.boolean() })
export type HeldJob = z.infer<typeof heldJob>

/** Who holds these jobs according to the table, and whether their cancel was asked for. */
export async function holdersOf(db: CommonQueryMethods, jobs: readonly number[]): Promise<readonly HeldJob[]> {
  return db.any(sql.type(heldJob)`
    select id, locked_by, cancel_requested_at is not null as cancel_requested from job_queue where id = any(${sql.array([...jobs], 'int8')})`)
}

/** All jobs that the table says this worker holds. It reads the whole table: asked only after a claim whose answer was lost. */
export async function jobsHeldBy(db: CommonQueryMethods, worker: number): Promise<readonly number[]> {
  return db.anyFirst(sql.type(z.object({ id: z.number() }))`select id from job_queue where locked_by = ${worker} and status in ('claimed', 'running')`)
}

/** Makes a row for each queue that has none yet: unpaused, without limits of its own. */
export async function ensureQueues(db: CommonQueryMethods, names: readonly string[]): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into queues (name) select * from unnest(${sql.array([...names], 'text')}) on conflict (name) do nothing`)
}
