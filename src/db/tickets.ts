import { z } from 'zod'
import { TICKET_STATES } from '#machines/ticket.ts'
import type { TicketState } from '#machines/ticket.ts'
import { PRIORITIES } from './job-inputs.ts'
import type { Priority } from './job-inputs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export { TICKET_STATES } from '#machines/ticket.ts'
export type { TicketState } from '#machines/ticket.ts'

export const ticketRow = z.object({
  id: z.string(),
  number: z.number(),
  subject: z.string(),
  description: z.string(),
  status: z.enum(TICKET_STATES),
  priority: z.enum(PRIORITIES),
  tags: z.array(z.string()),
  requester_id: z.string(),
  service_id: z.string().nullable(),
  assigned_to: z.string().nullable(),
  accepted_by: z.string().nullable(),
  accepted_at: z.date().nullable(),
  sla_started_at: z.date().nullable(),
  sla_due_at: z.date().nullable(),
  resolved_at: z.date().nullable(),
  closed_at: z.date().nullable(),
  time_to_breach_minutes: z.number().nullable(),
  sla_risk_score: z.number().nullable(),
  version: z.number(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type TicketRow = z.infer<typeof ticketRow>

/** Two columns came later than the table and go when the database is taken down to an older version: read by name, they may be missing. */
export const ticketColumns = sql.fragment`
  ticket.id, number, subject, description, status, priority, tags, requester_id, service_id, assigned_to, accepted_by, accepted_at, sla_started_at, sla_due_at,
  resolved_at, closed_at, (to_jsonb(ticket) ->> 'time_to_breach_minutes')::int4 as time_to_breach_minutes,
  (to_jsonb(ticket) ->> 'sla_risk_score')::float8 as sla_risk_score, version, ticket.created_at, ticket.updated_at`

/** Whose tickets somebody sees, within the bound organisation. */
export interface TicketViewer {
  /** Null for the service itself. */
  user_id: string | null
  sees: 'own' | 'customers' | 'all'
}

/** Holds for a row of tickets, named `ticket`, that the viewer may see. */
export const visibleTo = (viewer: TicketViewer) => sql.fragment`(
  ${viewer.sees} = 'all' or requester_id = ${viewer.user_id}
  or (${viewer.sees} = 'customers' and exists (
    select from users requester
     where requester.organization_id = ticket.organization_id and requester.id = ticket.requester_id and requester.role in ('customer_user', 'customer_admin'))))`

/** A ticket, or null where the viewer sees none with this id. */
export async function findTicket(db: CommonQueryMethods, viewer: TicketViewer, id: string): Promise<TicketRow | null> {
  return db.maybeOne(
    sql.type(ticketRow)`select ${ticketColumns} from tickets ticket where organization_id = bound_organization() and id = ${id} and ${visibleTo(viewer)}`,
  )
}

/** Those of the bound organisation's tickets that have one of these ids. */
export async function ticketsAmong(db: CommonQueryMethods, ids: readonly string[]): Promise<readonly TicketRow[]> {
  return db.any(sql.type(ticketRow)`
    select ${ticketColumns} from tickets ticket where organization_id = bound_organization() and id = any(${sql.array(ids, 'uuid')})`)
}

/** A ticket that nobody else changes until the transaction ends; comments and jobs that refer to it do not wait. */
export async function lockTicket(db: CommonQueryMethods, viewer: TicketViewer, id: string): Promise<TicketRow | null> {
  return db.maybeOne(
    sql.type(
      ticketRow,
    )`select ${ticketColumns} from tickets ticket where organization_id = bound_organization() and id = ${id} and ${visibleTo(viewer)} for no key update of ticket`,
  )
}

/** What a move writes beside the status; null leaves nobody assigned. */
export interface TicketMove {
  id: string
  status: TicketState
  assigned_to: string | null
  moved_by: string | null
}

/**
 * Writes where a ticket stands now. Acceptance starts the SLA, under the organisation's default policy where the ticket
 * has none; a ticket that is opened again is neither resolved nor closed.
 */
export async function updateTicketStatus(db: CommonQueryMethods, { id, status, assigned_to, moved_by }: TicketMove): Promise<TicketRow> {
  return db.one(sql.type(ticketRow)`
    update tickets ticket
       set status = ${status}, assigned_to = ${assigned_to}::uuid,
           accepted_by = case when ${status} = 'accepted' then coalesce(accepted_by, ${moved_by}::uuid) else accepted_by end,
           accepted_at = case when ${status} = 'accepted' then coalesce(accepted_at, now()) else accepted_at end,
           sla_started_at = case when ${status} = 'accepted' then coalesce(sla_started_at, now()) else sla_started_at end,
           sla_policy_id = case when ${status} = 'accepted'
             then coalesce(sla_policy_id, (select policy.id from sla_policies policy where policy.organization_id = bound_organization() and is_default))
             else sla_policy_id end,
           resolved_at = case ${status} when 'resolved' then now() when 'closed' then resolved_at end,
           closed_at = case ${status} when 'closed' then now() end,
           version = version + 1, updated_at = now()
     where organization_id = bound_organization() and id = ${id}
    returning ${ticketColumns}`)
}

/** What may be changed of a ticket at any time. */
export interface TicketFields {
  subject: string
  description: string
  priority: Priority
  tags: readonly string[]
  service_id: string | null
}

/** Writes all that may be changed of a ticket without moving it. */
export async function updateTicketFields(db: CommonQueryMethods, id: string, fields: TicketFields): Promise<TicketRow> {
  return db.one(sql.type(ticketRow)`
    update tickets ticket
       set subject = ${fields.subject}, description = ${fields.description}, priority = ${fields.priority}, tags = ${sql.array(fields.tags, 'text')},
           service_id = ${fields.service_id}::uuid, version = version + 1, updated_at = now()
     where organization_id = bound_organization() and id = ${id}
    returning ${ticketColumns}`)
}

/** How many tickets of the bound organisation stand in each state; a state without any is not among them. */
export async function countTickets(db: CommonQueryMethods): Promise<readonly { status: TicketState; count: number }[]> {
  return db.any(sql.type(z.object({ status: z.enum(TICKET_STATES), count: z.number() }))`
    select status, count(*) as count from tickets where organization_id = bound_organization() group by status`)
}
