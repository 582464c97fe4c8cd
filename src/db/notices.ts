import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const ticketFacts = z.object({ id: z.string(), number: z.number(), subject: z.string(), requester_id: z.string(), email: z.string(), organization: z.string() })
/** A ticket with where its requester gets mail. */
export type TicketFacts = z.infer<typeof ticketFacts>

/** Tickets of the bound organisation whose requesters can be told of something. */
export async function ticketsToTell(db: CommonQueryMethods, ids: readonly string[]): Promise<readonly TicketFacts[]> {
  return db.any(sql.type(ticketFacts)`
    select ticket.id, number, subject, requester_id, email, organization.name as organization
      from tickets ticket
      join users requester on requester.organization_id = ticket.organization_id and requester.id = requester_id and requester.is_active
      join organizations organization on organization.id = ticket.organization_id
     where ticket.organization_id = bound_organization() and ticket.id = any(${sql.array(ids, 'uuid')})`)
}

const reply = z.object({ id: z.string(), content: z.string(), author: z.string() })

/** What was said in public comments of the bound organisation, and by whom. */
export async function repliesToTell(db: CommonQueryMethods, ids: readonly string[]): Promise<readonly z.infer<typeof reply>[]> {
  return db.any(sql.type(reply)`
    select comment.id, content, full_name as author from comments comment
      join users author on author.organization_id = comment.organization_id and author.id = author_id
     where comment.organization_id = bound_organization() and not is_internal and comment.id = any(${sql.array(ids, 'uuid')})`)
}
