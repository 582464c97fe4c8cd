import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const solved = z.object({
  id: z.string(),
  number: z.number(),
  subject: z.string(),
  description: z.string(),
  version: z.number(),
  answer: z.string(),
})
export type SolvedTicket = z.infer<typeof solved>

/** The newest solved tickets with what solved them: the last public message that a member of staff wrote and no model did. */
export async function solvedTickets(db: CommonQueryMethods, limit: number): Promise<readonly SolvedTicket[]> {
  return db.any(sql.type(solved)`
    select ticket.id, number, subject, left(ticket.description, 6000) as description, version, left(answer.content, 6000) as answer
      from (select * from tickets
             where organization_id = bound_organization() and status in ('resolved', 'closed')
             order by created_at desc limit ${limit}) ticket
      cross join lateral (
        select content from comments join users author on author.id = comments.author_id
         where comments.organization_id = ticket.organization_id and comments.ticket_id = ticket.id
           and not comments.is_internal and not is_ai_generated and author.role in ('agent', 'manager', 'admin')
         order by comments.created_at desc limit 1
      ) answer
     order by ticket.created_at desc, ticket.id desc`)
}

/** How many solved tickets there are (counted up to `limit`), and when the last one was solved. */
export async function solvedKey(db: CommonQueryMethods, limit: number): Promise<{ rows: number; newest: string }> {
  return db.one(sql.type(z.object({ rows: z.number(), newest: z.string() }))`
    select count(*) as rows, coalesce(max(resolved_at)::text, '') as newest
      from (select resolved_at from tickets
             where organization_id = bound_organization() and status in ('resolved', 'closed')
             order by created_at desc limit ${limit}) counted`)
}

/** Where a passage of a draft comes from, word for word. */
export interface Citation {
  source_type: 'kb' | 'ticket'
  source_id: string
  title: string
  version: number
  quote: string
}

export interface SmartReply {
  ticket_id: string
  content: string
  citations: readonly Citation[]
  confidence: number
  model_id: string
}

/** Keeps the draft for half an hour, in the place of an older one that nobody used. */
export async function upsertSmartReply(db: CommonQueryMethods, reply: SmartReply): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into ai_suggestions (organization_id, ticket_id, suggestion_type, content, citations, confidence, model_id, expires_at)
    values (bound_organization(), ${reply.ticket_id}, 'smart_reply', ${reply.content}, ${JSON.stringify(reply.citations)}::jsonb, ${reply.confidence},
            ${reply.model_id}, now() + interval '30 minutes')
    on conflict (organization_id, ticket_id, suggestion_type) where not is_used do update
      set content = excluded.content, citations = excluded.citations, confidence = excluded.confidence, model_id = excluded.model_id,
          created_at = now(), expires_at = excluded.expires_at`)
}

/** Takes an unused draft away: its sources no longer carry it. */
export async function dropSmartReply(db: CommonQueryMethods, ticketId: string): Promise<void> {
  await db.query(sql.typeAlias('void')`
    delete from ai_suggestions where ticket_id = ${ticketId} and suggestion_type = 'smart_reply' and not is_used`)
}
