import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods, DatabaseTransactionConnection } from './pool.ts'

export const workerRow = z.object({
  id: z.number(),
  name: z.string(),
  host: z.string(),
  pid: z.number(),
  version: z.string(),
  queues: z.array(z.string()),
  status: z.enum(['active', 'draining', 'stopped', 'lost']),
  started_at: z.date(),
  heartbeat_at: z.date(),
  drain_requested_at: z.date().nullable(),
  event_loop_lag_ms: z.number(),
  actor_tree: z.unknown(),
  running_jobs: z.number(),
})
export type WorkerRow = z.infer<typeof workerRow>

/** How many jobs one holds is what its supervisors said at the last heartbeat; whoever has ended holds none. */
const columns = sql.fragment`
  id, name, host, pid, version, queues, status, started_at, heartbeat_at, drain_requested_at, event_loop_lag_ms, actor_tree,
  case when status in ('active', 'draining') then (
    select coalesce(sum((child ->> 'jobs')::int), 0) from jsonb_path_query(actor_tree, '$.children[*]') as child
  ) else 0 end as running_jobs`

/** The workers that live, and those that stopped or were lost within the last hour; the newest first. */
export async function listWorkers(db: CommonQueryMethods, limit: number): Promise<readonly WorkerRow[]> {
  return db.any(sql.type(workerRow)`
    select ${columns} from workers
     where status in ('active', 'draining') or heartbeat_at > now() - interval '1 hour'
     order by id desc limit ${limit}`)
}

/** What came of the wish that a worker drains. */
export type DrainAnswer = { kind: 'unknown' } | { kind: 'ended'; status: string } | { kind: 'asked'; is_new: boolean; worker: WorkerRow }

/**
 * Asks a worker to claim no more, finish within its time, and end; it hears of it with its next heartbeat. A second wish
 * changes nothing. For the transaction that writes the audit.
 */
export async function askToDrain(tx: DatabaseTransactionConnection, id: number): Promise<DrainAnswer> {
  const worker = await tx.maybeOne(sql.type(workerRow)`select ${columns} from workers where id = ${id}::int8 for update`)
  if (!worker) return { kind: 'unknown' }
  if (worker.status !== 'active' && worker.status !== 'draining') return { kind: 'ended', status: worker.status }
  if (worker.drain_requested_at !== null) return { kind: 'asked', is_new: false, worker }
  const asked = await tx.one(sql.type(workerRow)`update workers set drain_requested_at = now() where id = ${id} returning ${columns}`)
  return { kind: 'asked', is_new: true, worker: asked }
}

export const scheduleRow = z.object({
  name: z.string(),
  job_type: z.string(),
  cron: z.string(),
  payload: z.unknown(),
  per_organization: z.boolean(),
  is_active: z.boolean(),
  last_slot: z.date().nullable(),
})
export type ScheduleListRow = z.infer<typeof scheduleRow>

/** Every schedule. */
export async function listSchedules(db: CommonQueryMethods): Promise<readonly ScheduleListRow[]> {
  return db.any(sql.type(scheduleRow)`
    select name, job_type, cron, payload, per_organization, is_active, last_slot from schedules order by name`)
}
