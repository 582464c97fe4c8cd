import { z } from 'zod'
import { SUGGESTION_STATES } from '#machines/suggestion-step.ts'
import { PRIORITIES } from './job-inputs.ts'
import { partsOf } from './schema-parts.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const triageRow = z.object({
  ticket_id: z.string(),
  suggested_category: z.string().nullable(),
  category_confidence: z.number().nullable(),
  suggested_priority: z.enum(PRIORITIES).nullable(),
  priority_confidence: z.number().nullable(),
  suggested_tags: z.array(z.string()),
  suggested_assignee_id: z.string().nullable(),
  sentiment_label: z.enum(['positive', 'neutral', 'negative']).nullable(),
  sentiment_score: z.number().nullable(),
  sentiment_confidence: z.number().nullable(),
  confidence: z.number().nullable(),
  explanation: z.unknown(),
  model_id: z.string(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type TriageRow = z.infer<typeof triageRow>

/** The live triage of a ticket; null where it was not triaged yet. */
export async function findTriage(db: CommonQueryMethods, ticketId: string): Promise<TriageRow | null> {
  return db.maybeOne(sql.type(triageRow)`
    select ticket_id, suggested_category, category_confidence, suggested_priority, priority_confidence, suggested_tags, suggested_assignee_id,
           sentiment_label, sentiment_score, sentiment_confidence, confidence, explanation, model_id, created_at, updated_at
      from ticket_ai_triage where organization_id = bound_organization() and ticket_id = ${ticketId} and is_live`)
}

export const suggestionRow = z.object({
  id: z.string(),
  ticket_id: z.string(),
  suggestion_type: z.string(),
  content: z.string(),
  citations: z.unknown(),
  confidence: z.number().nullable(),
  model_id: z.string(),
  basis: z.enum(['extractive', 'language_model']).describe('Who wrote it: quoted from the sources, or a language model from them'),
  basis_reason: z.string().nullable().describe('Why no language model wrote it'),
  state: z.enum(SUGGESTION_STATES),
  final_content: z.string().nullable(),
  edit_distance: z.number().nullable(),
  comment_id: z.string().nullable(),
  created_at: z.date(),
  expires_at: z.date(),
  decided_at: z.date().nullable(),
  decided_by: z.string().nullable(),
})
export type SuggestionRow = z.infer<typeof suggestionRow>

export const suggestionColumns = sql.fragment`
  id, ticket_id, suggestion_type, content, citations, confidence, model_id, basis, basis_reason, state, final_content, edit_distance, comment_id,
  created_at, expires_at, decided_at, decided_by`

/** What is offered for a ticket and was neither used nor has expired; at most one of each type. */
export async function listSuggestions(db: CommonQueryMethods, ticketId: string): Promise<readonly SuggestionRow[]> {
  return db.any(sql.type(suggestionRow)`
    select ${suggestionColumns}
      from ai_suggestions
     where organization_id = bound_organization() and ticket_id = ${ticketId} and state = 'offered' and not is_used and expires_at > now()
     order by suggestion_type`)
}

export const kbSuggestionRow = z.object({
  id: z.string(),
  ticket_id: z.string(),
  article_id: z.string(),
  title: z.string(),
  excerpt: z.string(),
  relevance_score: z.number(),
  is_helpful: z.boolean().nullable(),
  created_at: z.date(),
})
export type KbSuggestionRow = z.infer<typeof kbSuggestionRow>

/** The articles that were found for a ticket, the most relevant first; customers see the published public ones. */
export async function listKbSuggestions(
  db: CommonQueryMethods,
  ticketId: string,
  sees: { internal: boolean },
  limit: number,
): Promise<readonly KbSuggestionRow[]> {
  return db.any(sql.type(kbSuggestionRow)`
    select suggestion.id, ticket_id, article_id, suggestion.title, excerpt, relevance_score, is_helpful, suggestion.created_at
      from ticket_kb_suggestions suggestion join kb_articles article on article.id = article_id
      left join kb_categories category on category.organization_id = article.organization_id and category.id = category_id
     where suggestion.organization_id = bound_organization() and ticket_id = ${ticketId}
       and (${sees.internal} or (article.is_published and not article.is_internal and not coalesce(category.is_internal, false)))
     order by relevance_score desc, suggestion.id limit ${limit}`)
}

/** Whether this database has a job engine: it has none after it was taken down to an older version. */
export async function hasJobEngine(db: CommonQueryMethods): Promise<boolean> {
  return (await partsOf(db)).jobs
}
