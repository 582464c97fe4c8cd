import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** A schedule as the code declares it. */
export interface ScheduleDefinition {
  name: string
  job_type: string
  /** Five or six fields, in UTC. */
  cron: string
  payload: unknown
  /** One job for each organisation, or one for the installation. */
  per_organization: boolean
}

const scheduleRow = z.object({
  name: z.string(),
  job_type: z.string(),
  cron: z.string(),
  payload: z.unknown(),
  per_organization: z.boolean(),
  last_slot: z.date().nullable(),
  now: z.date(),
})
export type ScheduleRow = z.infer<typeof scheduleRow>

/** Makes the table say what the code declares. A new schedule begins now; it does not make up for the past. */
export async function declareSchedules(db: CommonQueryMethods, schedules: readonly ScheduleDefinition[]): Promise<void> {
  for (const schedule of schedules) {
    await db.query(sql.typeAlias('void')`
      insert into schedules (name, job_type, cron, payload, per_organization, last_slot)
      values (${schedule.name}, ${schedule.job_type}, ${schedule.cron}, ${JSON.stringify(schedule.payload)}::jsonb, ${schedule.per_organization}, now())
      on conflict (name) do update
        set job_type = excluded.job_type, cron = excluded.cron, payload = excluded.payload, per_organization = excluded.per_organization, updated_at = now()
      where (schedules.job_type, schedules.cron, schedules.payload, schedules.per_organization)
        is distinct from (excluded.job_type, excluded.cron, excluded.payload, excluded.per_organization)`)
  }
}

/** The active schedules, and the database's time, by which slots are judged. */
export async function activeSchedules(db: CommonQueryMethods): Promise<readonly ScheduleRow[]> {
  return db.any(sql.type(scheduleRow)`
    select name, job_type, cron, payload, per_organization, last_slot, now() as now from schedules where is_active order by name`)
}

/** Takes a slot for this transaction. @returns false where another worker has it */
export async function takeSlot(db: CommonQueryMethods, schedule: string, slot: Date): Promise<boolean> {
  const taken = await db.maybeOne(sql.type(z.object({ schedule_name: z.string() }))`
    insert into schedule_slots (schedule_name, slot, enqueued) values (${schedule}, ${slot.toISOString()}, 0)
    on conflict do nothing returning schedule_name`)
  if (taken) await db.query(sql.typeAlias('void')`update schedules set last_slot = greatest(last_slot, ${slot.toISOString()}) where name = ${schedule}`)
  return taken !== null
}

/** Notes how many jobs a slot has caused. */
export async function noteSlot(db: CommonQueryMethods, schedule: string, slot: Date, enqueued: number): Promise<void> {
  await db.query(sql.typeAlias('void')`update schedule_slots set enqueued = ${enqueued} where schedule_name = ${schedule} and slot = ${slot.toISOString()}`)
}

/** Every organisation's id: a schedule that runs for each of them asks. */
export async function organizationIds(db: CommonQueryMethods): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ id: z.string() }))`select id from organizations order by id`)
}
