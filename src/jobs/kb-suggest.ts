import { readSettings } from '#db/settings.ts'
import { replaceKbSuggestions } from '#db/kb.ts'
import type { PublishedArticle } from '#db/kb.ts'
import { articleIndex } from '#kb/library.ts'
import { bestPassage } from '#kb/passages.ts'
import { RELEVANCE_FLOOR } from '#kb/reply.ts'
import type { SearchIndex } from '#kb/search-index.ts'
import { nearTo, together } from '#kb/vectors.ts'
import { textOf } from '#ai/triage-model.ts'
import type { JobType } from './job-type.ts'
import { senderOf } from './rag-vectors.ts'
import { organizationOf, TICKET_BACKOFF, ticketOf, ticketPayload } from './ticket-job.ts'
import type { TicketPayload } from './ticket-job.ts'

const MAX_SUGGESTIONS = 3
/** How many the words may bring, and how many nearness, before the best of both are taken. */
const CANDIDATES = 10
const EXCERPT_CHARS = 300

/** Finds up to three public articles that speak of what the ticket speaks of: by words, and by nearness where the organisation wants an embedding model. */
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
    const asked = { text: query, names: [ticket.requester_name] }
    const { near, reason } = await nearTo(organizationOf(job), senderOf(job, ticket.id), asked, { internal: false }, CANDIDATES, job.signal)
    const suggestions = candidates(index, query, new Map(near.map(({ source_id, nearness }) => [source_id, nearness])))
      .filter(({ relevance }) => relevance >= RELEVANCE_FLOOR)
      .toSorted((a, b) => b.relevance - a.relevance)
      .slice(0, MAX_SUGGESTIONS)
      .map(({ item, relevance }) => ({
        article_id: item.id,
        title: item.title,
        excerpt: bestPassage(item.content, query, EXCERPT_CHARS)?.passage ?? item.content.slice(0, EXCERPT_CHARS),
        relevance_score: relevance,
      }))
    return {
      kind: 'succeed',
      result: {
        suggestions: suggestions.length,
        best: suggestions[0]?.relevance_score ?? null,
        basis: reason === null ? 'hybrid' : 'lexical',
        basis_reason: reason,
      },
      writes: (tx) => replaceKbSuggestions(tx, ticket.id, suggestions),
    }
  },
}

/** Public articles that the words bring or that lie near, each with both together as its relevance. */
function candidates(index: SearchIndex<PublishedArticle>, query: string, near: ReadonlyMap<string, number>): { item: PublishedArticle; relevance: number }[] {
  const byWords = index.search(query, CANDIDATES, ({ is_public }) => is_public)
  const named = new Set(byWords.map(({ item }) => item.id))
  const beside = index.items(({ id, is_public }) => is_public && near.has(id) && !named.has(id)).map((item) => ({ item, relevance: 0 }))
  return [...byWords, ...beside].map(({ item, relevance }) => ({ item, relevance: together(relevance, near.get(item.id) ?? 0) }))
}
