import { z } from 'zod'
import { PRIORITIES } from './job-inputs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const taken = z.object({ ticket_id: z.string(), clock: z.string(), cycle: z.number(), step: z.string() })
export type TakenStep = z.infer<typeof taken>

/**
 * Takes steps that are due, each once: with its audit row where this call took it, and not at all where another one did.
 *
 * @returns those that this call took
 */
export async function takeSteps(db: CommonQueryMethods, steps: readonly (TakenStep & { action: string; due_at: Date })[]): Promise<readonly TakenStep[]> {
  if (steps.length === 0) return []
  return db.any(sql.type(taken)`
    with given as materialized (
      select * from jsonb_to_recordset(${JSON.stringify(steps)}::jsonb) as given (ticket_id uuid, clock text, cycle integer, step text, action text, due_at timestamptz)
       where exists (select from tickets where organization_id = bound_organization() and tickets.id = given.ticket_id)
    ), taken as (
      insert into sla_steps_taken (organization_id, ticket_id, clock, cycle, step, due_at)
      select bound_organization(), ticket_id, clock, cycle, step, due_at from given order by ticket_id, clock, cycle, step
      on conflict (organization_id, ticket_id, clock, cycle, step) do nothing
      returning organization_id, ticket_id, clock, cycle, step, due_at
    ), audited as (
      insert into audit_log (organization_id, action, entity_type, entity_id, details)
      select organization_id, 'ticket.sla_' || given.action, 'ticket', taken.ticket_id::text,
             jsonb_build_object('clock', clock, 'cycle', cycle, 'step', step, 'due_at', taken.due_at, 'is_internal', true)
        from taken join given using (ticket_id, clock, cycle, step)
    )
    select ticket_id, clock, cycle, step from taken`)
}

const raised = z.object({ from_priority: z.enum(PRIORITIES), to_priority: z.enum(PRIORITIES) })

/** Raises the priority of a ticket that is worked on by one step. @returns the step; null where there was none to take */
export async function raisePriority(db: CommonQueryMethods, ticketId: string): Promise<z.infer<typeof raised> | null> {
  return db.maybeOne(sql.type(raised)`
    with before as (
      select id, priority from tickets
       where organization_id = bound_organization() and id = ${ticketId} and priority < 'urgent'
         and status in ('accepted', 'assigned', 'in_progress', 'waiting_customer') for no key update
    )
    update tickets set priority = (enum_range(before.priority, null))[2], version = version + 1, updated_at = now()
      from before where organization_id = bound_organization() and tickets.id = before.id
    returning before.priority as from_priority, tickets.priority as to_priority`)
}

/** Whom a step tells: the assignee, or where there is none (or managers are meant) the managers, or where there are none the admins. */
export async function stepRecipients(db: CommonQueryMethods, ticketId: string, to: 'assignee' | 'managers'): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ email: z.string() }))`
    with candidate as (
      select person.email, case when person.id = ticket.assigned_to and ${to} = 'assignee' then 1 when role = 'manager' then 2 else 3 end as rank
        from tickets ticket join users person on person.organization_id = ticket.organization_id and person.is_active
       where ticket.organization_id = bound_organization() and ticket.id = ${ticketId}
         and (role in ('manager', 'admin') or (person.id = ticket.assigned_to and ${to} = 'assignee'))
    )
    select email from candidate where rank = (select min(rank) from candidate) order by email`)
}

export const takenRow = z.object({ clock: z.string(), cycle: z.number(), step: z.string(), due_at: z.date(), taken_at: z.date() })

/** Breaches, warnings and escalations of a ticket that were taken, the oldest first. */
export async function listTakenSteps(db: CommonQueryMethods, ticketId: string): Promise<readonly z.infer<typeof takenRow>[]> {
  return db.any(sql.type(takenRow)`
    select clock, cycle, step, due_at, taken_at from sla_steps_taken
     where organization_id = bound_organization() and ticket_id = ${ticketId} order by due_at, clock, step`)
}
