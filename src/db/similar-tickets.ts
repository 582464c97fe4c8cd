import { z } from 'zod'
import { TICKET_STATES } from '#machines/ticket.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const recent = z.object({ id: z.string(), subject: z.string(), description: z.string(), created_at: z.date() })
export type RecentTicket = z.infer<typeof recent>

/** The newest tickets that nobody has cancelled. */
export async function recentTickets(db: CommonQueryMethods, limit: number): Promise<readonly RecentTicket[]> {
  return db.any(sql.type(recent)`
    select id, subject, left(description, 6000) as description, created_at from tickets
     where organization_id = bound_organization() and status <> 'cancelled' order by created_at desc, id desc limit ${limit}`)
}

/** How many tickets there ever were, which tells how far an index of them is behind. */
export async function recentKey(db: CommonQueryMethods): Promise<{ last_number: number }> {
  return db.one(sql.type(z.object({ last_number: z.number() }))`
    select last_ticket_number as last_number from organizations where id = bound_organization()`)
}

export const shownTicket = z.object({
  id: z.string(),
  number: z.number(),
  subject: z.string(),
  status: z.enum(TICKET_STATES),
  created_at: z.date(),
  resolved_at: z.date().nullable(),
  /** What people have said the two are to each other. */
  relation: z.enum(['parent', 'duplicate_of', 'related']).nullable(),
})
export type ShownTicket = z.infer<typeof shownTicket>

/** Tickets as they are now, with how they are related to another one; those that are gone or cancelled are left out. */
export async function showTickets(db: CommonQueryMethods, ids: readonly string[], besideId: string): Promise<readonly ShownTicket[]> {
  return db.any(sql.type(shownTicket)`
    select id, number, subject, status, created_at, resolved_at,
           (select kind from ticket_relations relation
             where relation.organization_id = ticket.organization_id and ${besideId}::uuid in (relation.ticket_id, other_id) and ticket.id in (relation.ticket_id, other_id)
             limit 1) as relation
      from tickets ticket where organization_id = bound_organization() and id = any(${sql.array(ids, 'uuid')}) and status <> 'cancelled'`)
}
