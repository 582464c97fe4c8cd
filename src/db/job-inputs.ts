import { z } from 'zod'
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
      from tickets ticket join users requester on requester.id = ticket.requester_id
     where ticket.id = ${ticketId}`)
}

const freshness = z.object({ key: z.string(), rows: z.number() })
export type Freshness = z.infer<typeof freshness>

/** How many labelled tickets there are (counted up to `limit`), and a key that changes with any service. */
export async function labelFreshness(db: CommonQueryMethods, limit: number): Promise<Freshness> {
  return db.one(sql.type(freshness)`
    select (select coalesce(md5(string_agg(concat_ws(' ', id, updated_at, is_active), ',' order by id)), '') from services) as key,
           (select count(*) from (
             select from tickets where organization_id = bound_organization() and service_id is not null and status <> 'cancelled' limit ${limit}
           ) counted) as rows`)
}

const labelled = z.object({
  id: z.string(),
  number: z.number(),
  subject: z.string(),
  description: z.string(),
  service: z.string(),
  priority: z.enum(PRIORITIES).nullable(),
  tags: z.array(z.string()),
  assigned_to: z.string().nullable(),
  created_at: z.date(),
})
export type LabelledTicket = z.infer<typeof labelled>

/**
 * The newest tickets whose service is known. A priority counts as chosen once an agent has taken the ticket on; before
 * that it is what a form defaulted to.
 */
export async function labelledTickets(db: CommonQueryMethods, limit: number): Promise<readonly LabelledTicket[]> {
  return db.any(sql.type(labelled)`
    select ticket.id, number, subject, left(ticket.description, 6000) as description, service.name as service,
           case when accepted_at is not null then priority end as priority, tags,
           (select agent.id from users agent where agent.id = ticket.assigned_to and agent.is_active) as assigned_to,
           ticket.created_at
      from tickets ticket join services service on service.id = ticket.service_id and service.is_active
     where ticket.organization_id = bound_organization() and service_id is not null and status <> 'cancelled'
     order by ticket.created_at desc, ticket.id desc limit ${limit}`)
}

/** The services on offer: each one's name and description is an example of what belongs to it. */
export async function activeServices(db: CommonQueryMethods): Promise<readonly { name: string; description: string }[]> {
  return db.any(sql.type(z.object({ name: z.string(), description: z.string() }))`
    select name, description from services where is_active order by name limit 1000`)
}
