import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

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
  event_loop_lag_ms: z.number(),
  actor_tree: z.unknown(),
  running_jobs: z.number(),
})
export type WorkerRow = z.infer<typeof workerRow>

/**
 * The workers that live, and those that stopped or were lost within the last hour; the newest first. How many jobs one
 * holds is what its supervisors said at the last heartbeat; whoever has ended holds none.
 */
export async function listWorkers(db: CommonQueryMethods, limit: number): Promise<readonly WorkerRow[]> {
  return db.any(sql.type(workerRow)`
    select id, name, host, pid, version, queues, status, started_at, heartbeat_at, event_loop_lag_ms, actor_tree,
           case when status in ('active', 'draining') then (
             select coalesce(sum((child ->> 'jobs')::int), 0) from jsonb_path_query(actor_tree, '$.children[*]') as child
           ) else 0 end as running_jobs
      from workers
     where status in ('active', 'draining') or heartbeat_at > now() - interval '1 hour'
     order by id desc limit ${limit}`)
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
