import { z } from 'zod'
import { groupOfTicket } from './own-values.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const PRIORITIES = ['low', 'medium', 'high', 'urgent'] as const
export type Priority = (typeof PRIORITIES)[number]

const ticketText = z.object({
  id: z.string(),
  number: z.number(),
  subject: z.string(),
  description: z.string(),
  priority: z.enum(PRIORITIES),
  status: z.string(),
  version: z.number(),
  requester_name: z.string(),
})
export type TicketText = z.infer<typeof ticketText>

/** What the text models read of a ticket; null where the bound organisation has no such ticket. */
export async function readTicketText(db: CommonQueryMethods, ticketId: string): Promise<TicketText | null> {
  return db.maybeOne(sql.type(ticketText)`
    select ticket.id, number, subject, description, priority, status, version, requester.full_name as requester_name
      from tickets ticket join users requester on requester.organization_id = ticket.organization_id and requester.id = ticket.requester_id
     where ticket.organization_id = bound_organization() and ticket.id = ${ticketId}`)
}

const freshness = z.object({ key: z.string(), rows: z.number() })
export type Freshness = z.infer<typeof freshness>

/** Tickets that teach something: a service is known, somebody has taken the ticket on, or it has tags. An expression over `ticket`. */
const teaches = sql.fragment`ticket.status <> 'cancelled' and (ticket.service_id is not null or ticket.accepted_at is not null or ticket.tags <> '{}')`

/** How many labelled tickets there are (counted up to `limit`), and a key that changes with any service or group. */
export async function labelFreshness(db: CommonQueryMethods, limit: number): Promise<Freshness> {
  return db.one(sql.type(freshness)`
    select concat_ws(' ', (select md5(string_agg(concat_ws(' ', id, updated_at, is_active), ',' order by id)) from services where organization_id = bound_organization()),
                     (select md5(string_agg(concat_ws(' ', id, updated_at), ',' order by id)) from agent_groups where organization_id = bound_organization())) as key,
           (select count(*) from (select from tickets ticket where organization_id = bound_organization() and ${teaches} limit ${limit}) counted) as rows`)
}

/** How many labels have come since the newest training: tickets with a service, and what agents said; counted up to `limit` each. */
export async function labelsSinceTraining(db: CommonQueryMethods, limit: number): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`
    with last as (select coalesce(max(trained_at), '-infinity') as at from ai_models where organization_id = bound_organization())
    select (select count(*) from (
              select from tickets ticket join services service on service.organization_id = ticket.organization_id and service.id = ticket.service_id and service.is_active
               where ticket.organization_id = bound_organization() and ticket.status <> 'cancelled' and ticket.created_at > (select at from last) limit ${limit}) new)
         + (select count(*) from (
              select from ai_labels where organization_id = bound_organization() and at > (select at from last) limit ${limit}) said) as count`)
}

const labelled = z.object({
  id: z.string(),
  number: z.number(),
  subject: z.string(),
  description: z.string(),
  service: z.string().nullable(),
  priority: z.enum(PRIORITIES).nullable(),
  tags: z.array(z.string()),
  group: z.string().nullable(),
  assigned_to: z.string().nullable(),
  created_at: z.date(),
})
export type LabelledTicket = z.infer<typeof labelled>

/**
 * The newest tickets that teach something of any field. A priority counts as chosen once an agent has taken the ticket on; before
 * that it is what a form defaulted to.
 */
export async function labelledTickets(db: CommonQueryMethods, limit: number): Promise<readonly LabelledTicket[]> {
  return db.any(sql.type(labelled)`
    select ticket.id, number, subject, left(ticket.description, 6000) as description, service.name as service,
           case when accepted_at is not null then priority end as priority, tags, ${groupOfTicket} as "group",
           (select agent.id from users agent where agent.organization_id = ticket.organization_id and agent.id = ticket.assigned_to and agent.is_active) as assigned_to,
           ticket.created_at
      from tickets ticket left join services service on service.organization_id = ticket.organization_id and service.id = ticket.service_id and service.is_active
     where ticket.organization_id = bound_organization() and ${teaches} and (service.id is not null or ticket.service_id is null)
     order by ticket.created_at desc, ticket.id desc limit ${limit}`)
}

const offered = z.object({ name: z.string(), description: z.string(), group: z.string().nullable(), members: z.array(z.string()) })
export type OfferedService = z.infer<typeof offered>

/** The services on offer, with who works on them: name and description of each are an example of what belongs to it, and to them. */
export async function activeServices(db: CommonQueryMethods): Promise<readonly OfferedService[]> {
  return db.any(sql.type(offered)`
    select service.name, description, agent_groups.name as "group",
           array(select user_id::text from agent_group_members member join users on users.organization_id = member.organization_id and users.id = user_id and is_active
                  where member.organization_id = service.organization_id and member.group_id = service.group_id order by user_id) as members
      from services service
      left join agent_groups on agent_groups.organization_id = service.organization_id and agent_groups.id = service.group_id
     where service.organization_id = bound_organization() and service.is_active order by service.name limit 1000`)
}
