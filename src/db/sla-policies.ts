import { z } from 'zod'
import { PRIORITIES } from './job-inputs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const calendarRow = z.object({ id: z.string(), name: z.string(), definition: z.unknown(), created_at: z.date(), updated_at: z.date() })
export type CalendarRow = z.infer<typeof calendarRow>

/** Minutes by priority; none, or null, where a priority has no target. */
const minutes = z.partialRecord(z.enum(PRIORITIES), z.number().nullable())

/** The states in which a policy may let the clocks stand still: those in which somebody works on the ticket. */
export const PAUSING_STATES = ['accepted', 'assigned', 'in_progress', 'waiting_customer'] as const

export const policyRow = z.object({
  id: z.string(),
  name: z.string(),
  calendar_id: z.string().nullable(),
  is_default: z.boolean(),
  first_response_minutes: minutes,
  next_response_minutes: minutes,
  resolution_minutes: minutes,
  pause_states: z.array(z.enum(PAUSING_STATES)),
  reopen_mode: z.enum(['resume', 'new_cycle']),
  warnings: z.unknown(),
  escalations: z.unknown(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type PolicyRow = z.infer<typeof policyRow>

/** By name, those after `after` where it is given. */
interface Page {
  after: string | null
  limit: number
}

const calendarColumns = sql.fragment`id, name, definition, created_at, updated_at`
/** Five columns came later than the table and go when the database is taken down to an older version. */
const policyColumns = sql.fragment`
  id, name, calendar_id, is_default, first_response_minutes, resolution_minutes, created_at, updated_at,
  coalesce(to_jsonb(policy) -> 'next_response_minutes', '{}') as next_response_minutes,
  coalesce(to_jsonb(policy) -> 'pause_states', '["waiting_customer"]') as pause_states, coalesce(to_jsonb(policy) ->> 'reopen_mode', 'resume') as reopen_mode,
  coalesce(to_jsonb(policy) -> 'warnings', '[]') as warnings, coalesce(to_jsonb(policy) -> 'escalations', '[]') as escalations`

/** Calendars of the bound organisation. */
export async function listCalendars(db: CommonQueryMethods, { after, limit }: Page): Promise<readonly CalendarRow[]> {
  return db.any(sql.type(calendarRow)`
    select ${calendarColumns} from sla_calendars
     where organization_id = bound_organization() and (${after}::text is null or name > ${after}) order by name limit ${limit}`)
}

export async function findCalendar(db: CommonQueryMethods, id: string): Promise<CalendarRow | null> {
  return db.maybeOne(sql.type(calendarRow)`select ${calendarColumns} from sla_calendars where organization_id = bound_organization() and id = ${id}`)
}

/** Writes a calendar whose definition was checked. */
export async function insertCalendar(db: CommonQueryMethods, { name, definition }: { name: string; definition: unknown }): Promise<CalendarRow> {
  return db.one(sql.type(calendarRow)`
    insert into sla_calendars (organization_id, name, definition) values (bound_organization(), ${name}, ${JSON.stringify(definition)}::jsonb)
    returning ${calendarColumns}`)
}

/** Changes what is given. Null where there is no such calendar. */
export async function updateCalendar(db: CommonQueryMethods, id: string, changes: { name?: string; definition?: unknown }): Promise<CalendarRow | null> {
  const definition = changes.definition === undefined ? null : JSON.stringify(changes.definition)
  return db.maybeOne(sql.type(calendarRow)`
    update sla_calendars set name = coalesce(${changes.name ?? null}, name), definition = coalesce(${definition}::jsonb, definition), updated_at = now()
     where organization_id = bound_organization() and id = ${id} returning ${calendarColumns}`)
}

/** Deletes a calendar that no policy counts by. @returns how many were deleted: 0 or 1 */
export async function deleteCalendar(db: CommonQueryMethods, id: string): Promise<number> {
  const { rowCount } = await db.query(sql.typeAlias('void')`
    delete from sla_calendars calendar where organization_id = bound_organization() and id = ${id}
      and not exists (select from sla_policies policy where policy.organization_id = calendar.organization_id and calendar_id = calendar.id)`)
  return rowCount
}

/** Policies of the bound organisation. */
export async function listPolicies(db: CommonQueryMethods, { after, limit }: Page): Promise<readonly PolicyRow[]> {
  return db.any(sql.type(policyRow)`
    select ${policyColumns} from sla_policies policy
     where organization_id = bound_organization() and (${after}::text is null or name > ${after}) order by name limit ${limit}`)
}

export async function findPolicy(db: CommonQueryMethods, id: string): Promise<PolicyRow | null> {
  return db.maybeOne(sql.type(policyRow)`select ${policyColumns} from sla_policies policy where organization_id = bound_organization() and id = ${id}`)
}

export type NewPolicy = Omit<PolicyRow, 'id' | 'created_at' | 'updated_at'>

/** Writes a policy whose targets were checked. */
export async function insertPolicy(db: CommonQueryMethods, policy: NewPolicy): Promise<PolicyRow> {
  return db.one(sql.type(policyRow)`
    insert into sla_policies as policy (organization_id, name, calendar_id, is_default, first_response_minutes, next_response_minutes, resolution_minutes,
                                        pause_states, reopen_mode, warnings, escalations)
    values (bound_organization(), ${policy.name}, ${policy.calendar_id}::uuid, ${policy.is_default}, ${json(policy.first_response_minutes)},
            ${json(policy.next_response_minutes)}, ${json(policy.resolution_minutes)}, ${states(policy)}, ${policy.reopen_mode},
            ${json(policy.warnings)}, ${json(policy.escalations)})
    returning ${policyColumns}`)
}

/** Writes a policy anew. */
export async function updatePolicy(db: CommonQueryMethods, id: string, policy: NewPolicy): Promise<PolicyRow> {
  return db.one(sql.type(policyRow)`
    update sla_policies policy
       set name = ${policy.name}, calendar_id = ${policy.calendar_id}::uuid, is_default = ${policy.is_default}, updated_at = now(),
           first_response_minutes = ${json(policy.first_response_minutes)}, next_response_minutes = ${json(policy.next_response_minutes)},
           resolution_minutes = ${json(policy.resolution_minutes)}, pause_states = ${states(policy)}, reopen_mode = ${policy.reopen_mode},
           warnings = ${json(policy.warnings)}, escalations = ${json(policy.escalations)}
     where organization_id = bound_organization() and id = ${id} returning ${policyColumns}`)
}

const json = (value: unknown) => sql.fragment`${JSON.stringify(value)}::jsonb`
const states = ({ pause_states }: Pick<NewPolicy, 'pause_states'>) => sql.fragment`${sql.array(pause_states, 'text')}::ticket_status[]`

/** There is one default policy: who becomes it takes the place of the one before. */
export async function clearDefaultPolicy(db: CommonQueryMethods): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update sla_policies set is_default = false, updated_at = now() where organization_id = bound_organization() and is_default`)
}

/** Deletes a policy under which no ticket stands. @returns how many were deleted: 0 or 1 */
export async function deletePolicy(db: CommonQueryMethods, id: string): Promise<number> {
  const { rowCount } = await db.query(sql.typeAlias('void')`
    delete from sla_policies policy where organization_id = bound_organization() and id = ${id}
      and not exists (select from tickets ticket where ticket.organization_id = policy.organization_id and sla_policy_id = policy.id)`)
  return rowCount
}

/** The ids of the policies that count by a calendar. */
export async function policiesOfCalendar(db: CommonQueryMethods, calendarId: string): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ id: z.string() }))`
    select id from sla_policies where organization_id = bound_organization() and calendar_id = ${calendarId}`)
}

/** Puts a ticket under a policy. @returns the one before; null where it was under none of its own */
export async function changeTicketPolicy(db: CommonQueryMethods, ticketId: string, policyId: string): Promise<string | null> {
  return db.oneFirst(sql.type(z.object({ before: z.string().nullable() }))`
    with before as (
      select id, sla_policy_id from tickets where organization_id = bound_organization() and id = ${ticketId} for no key update
    )
    update tickets set sla_policy_id = ${policyId}, version = version + 1, updated_at = now()
      from before where organization_id = bound_organization() and tickets.id = before.id returning before.sla_policy_id as before`)
}
