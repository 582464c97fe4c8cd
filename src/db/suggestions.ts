import { createHash, randomUUID } from 'node:crypto'
import { z } from 'zod'
import { SUGGESTION_STATES } from '#machines/suggestion-step.ts'
import type { SuggestionState } from '#machines/suggestion-step.ts'
import { recordPrediction } from './predictions.ts'
import { sql } from './sql.ts'
import { suggestionColumns, suggestionRow } from './ticket-ai.ts'
import type { SuggestionRow } from './ticket-ai.ts'
import type { CommonQueryMethods } from './pool.ts'

const solved = z.object({
  id: z.string(),
  number: z.number(),
  subject: z.string(),
  description: z.string(),
  version: z.number(),
  comment_id: z.string(),
  answer: z.string(),
})
export type SolvedTicket = z.infer<typeof solved>

/** The newest solved tickets with what solved them: the last public message that a member of staff wrote and no model did. */
export async function solvedTickets(db: CommonQueryMethods, limit: number): Promise<readonly SolvedTicket[]> {
  return db.any(sql.type(solved)`
    select ticket.id, number, subject, left(ticket.description, 6000) as description, version, answer.id as comment_id, left(answer.content, 6000) as answer
      from (select * from tickets
             where organization_id = bound_organization() and status in ('resolved', 'closed')
             order by created_at desc limit ${limit}) ticket
      cross join lateral (
        select comments.id, content from comments join users author on author.organization_id = comments.organization_id and author.id = comments.author_id
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

/** Where a passage of a draft comes from, word for word: `span` counts the UTF-16 units of the article's (or the comment's) text of that version. */
export interface Citation {
  source_type: 'kb' | 'ticket'
  source_id: string
  /** The comment that is quoted, where the source is a ticket. */
  comment_id: string | null
  title: string
  version: number
  span: { start: number; end: number }
  quote: string
}

export const BASES = ['extractive', 'language_model'] as const

export interface SmartReply {
  ticket_id: string
  content: string
  citations: readonly Citation[]
  confidence: number
  model_id: string
  basis: (typeof BASES)[number]
  /** Why no language model wrote it; null where one did. */
  basis_reason: string | null
}

/**
 * Offers the draft for half an hour, in the place of an older one that nobody decided on. The same draft again is offered
 * anew.
 */
export async function offerSmartReply(db: CommonQueryMethods, reply: SmartReply): Promise<void> {
  const renewed = await db.maybeOne(sql.typeAlias('id')`
    update ai_suggestions
       set created_at = now(), expires_at = now() + interval '30 minutes', citations = ${JSON.stringify(reply.citations)}::jsonb,
           confidence = ${reply.confidence}, basis_reason = ${reply.basis_reason}
     where organization_id = bound_organization() and ticket_id = ${reply.ticket_id} and suggestion_type = 'smart_reply'
       and state = 'offered' and not is_used and content = ${reply.content} and model_id = ${reply.model_id}
    returning id`)
  if (renewed) return
  await dropSmartReply(db, reply.ticket_id)
  const prediction = await recordPrediction(db, {
    ticket_id: reply.ticket_id,
    field: 'smart_reply',
    value: randomUUID(),
    confidence: reply.confidence,
    mode: 'suggest',
    threshold: 0,
    is_offered: true,
    explanation: { basis: reply.basis, citations: reply.citations.length },
    model_id: reply.model_id,
    inputs_hash: createHash('sha256').update(reply.content).digest(),
  })
  await db.query(sql.typeAlias('void')`
    insert into ai_suggestions (organization_id, ticket_id, suggestion_type, content, citations, confidence, model_id, basis, basis_reason, prediction_id, expires_at)
    values (bound_organization(), ${reply.ticket_id}, 'smart_reply', ${reply.content}, ${JSON.stringify(reply.citations)}::jsonb, ${reply.confidence},
            ${reply.model_id}, ${reply.basis}, ${reply.basis_reason}, ${prediction}, now() + interval '30 minutes')`)
}

/** Takes a draft away that nobody decided on: a newer one takes its place, or its sources no longer carry it. */
export async function dropSmartReply(db: CommonQueryMethods, ticketId: string): Promise<void> {
  await db.query(sql.typeAlias('void')`
    with gone as (
      delete from ai_suggestions
       where organization_id = bound_organization() and ticket_id = ${ticketId} and suggestion_type = 'smart_reply' and state = 'offered' and not is_used
      returning prediction_id
    )
    update ai_predictions set state = 'replaced', is_live = false, decided_at = now()
      from gone where organization_id = bound_organization() and ai_predictions.id = gone.prediction_id and state = 'offered'`)
}

const standing = z.object({
  id: z.string(),
  ticket_id: z.string(),
  content: z.string(),
  state: z.enum(SUGGESTION_STATES),
  is_over: z.boolean(),
  prediction_id: z.string().nullable(),
})
export type SuggestionStanding = z.infer<typeof standing>

/** A suggestion that nobody else decides on until the transaction ends; null where the bound organisation has none with this id. */
export async function lockDraft(db: CommonQueryMethods, id: string): Promise<SuggestionStanding | null> {
  return db.maybeOne(sql.type(standing)`
    select id, ticket_id, content, state, expires_at <= now() as is_over, prediction_id
      from ai_suggestions where organization_id = bound_organization() and id = ${id} for no key update`)
}

/** Notes what was decided on a suggestion: what was sent in the end, and how far it is from what was suggested. */
export async function decideSuggestion(
  db: CommonQueryMethods,
  id: string,
  decision: { state: SuggestionState; decided_by: string; final_content: string | null; edit_distance: number | null; comment_id: string | null },
): Promise<SuggestionRow> {
  return db.one(sql.type(suggestionRow)`
    update ai_suggestions
       set state = ${decision.state}, is_used = ${decision.state === 'accepted' || decision.state === 'edited'}, decided_at = now(),
           decided_by = ${decision.decided_by}, final_content = ${decision.final_content}, edit_distance = ${decision.edit_distance},
           comment_id = ${decision.comment_id}
     where organization_id = bound_organization() and id = ${id} returning ${suggestionColumns}`)
}
