import { readSettings } from '#db/settings.ts'
import { replaceKbSuggestions } from '#db/kb.ts'
import { articleIndex } from '#kb/library.ts'
import { bestPassage } from '#kb/passages.ts'
import { RELEVANCE_FLOOR } from '#kb/reply.ts'
import { textOf } from '#ai/triage-model.ts'
import type { JobType } from './job-type.ts'
import { organizationOf, TICKET_BACKOFF, ticketOf, ticketPayload } from './ticket-job.ts'
import type { TicketPayload } from './ticket-job.ts'

const MAX_SUGGESTIONS = 3
const EXCERPT_CHARS = 300

/** Finds up to three public articles that speak of what the ticket speaks of. */
export const kbSuggest: JobType<TicketPayload> = {
  name: 'KB_SUGGEST',
  queue: 'ai',
  payload: ticketPayload,
  max_attempts: 5,
  timeout_ms: 60_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const ticket = await ticketOf(job)
    const settings = await job.read(readSettings)
    if (!settings.kb_suggestion_enabled) return { kind: 'succeed', result: { skipped: 'the organisation has turned suggestions off' } }
    const index = await articleIndex(organizationOf(job), job)
    job.signal.throwIfAborted()
    const query = textOf(ticket)
    const suggestions = index
      .search(query, MAX_SUGGESTIONS, ({ is_public }) => is_public)
      .filter(({ relevance }) => relevance >= RELEVANCE_FLOOR)
      .map(({ item, relevance }) => ({
        article_id: item.id,
        title: item.title,
        excerpt: bestPassage(item.content, query, EXCERPT_CHARS)?.passage ?? item.content.slice(0, EXCERPT_CHARS),
        relevance_score: relevance,
      }))
    return {
      kind: 'succeed',
      result: { suggestions: suggestions.length, best: suggestions[0]?.relevance_score ?? null },
      writes: (tx) => replaceKbSuggestions(tx, ticket.id, suggestions),
    }
  },
}
