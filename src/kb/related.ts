import type { Reader } from '#ai/reader.ts'
import { rankRag } from '#db/rag-search.ts'
import type { FoundDocument } from '#db/rag-search.ts'
import { articleIndex, solvedIndex } from './library.ts'
import { bestPassage } from './passages.ts'
import { RELEVANCE_FLOOR } from './reply.ts'

/** How many articles and solved tickets the words may bring, before the graph has its say. */
const BY_WORDS = 10
const PASSAGE_CHARS = 700

/** A document that has to do with a ticket, with the passage that says most about it. */
export interface RelatedDocument extends FoundDocument {
  passage: string
}

/**
 * Articles and solved tickets for a ticket: by their words, as drafts of replies find their sources, and by what those (and
 * the ticket itself) are linked to. For staff: what customers may not see is among them.
 */
export async function relatedDocuments(
  organizationId: string,
  reader: Reader,
  ticket: { id: string; subject: string; description: string },
  limit: number,
): Promise<RelatedDocument[]> {
  const query = `${ticket.subject}\n${ticket.description}`
  const articles = (await articleIndex(organizationId, reader)).search(query, BY_WORDS)
  const solved = (await solvedIndex(organizationId, reader)).search(query, BY_WORDS, ({ id }) => id !== ticket.id)
  const hits = [
    ...articles.map(({ item, relevance }) => ({ source_type: 'kb' as const, source_id: item.id, relevance })),
    ...solved.map(({ item, relevance }) => ({ source_type: 'ticket' as const, source_id: item.id, relevance })),
  ].filter(({ relevance }) => relevance >= RELEVANCE_FLOOR)
  const found = await reader.read((db) => rankRag(db, { internal: true }, hits, { source_type: 'ticket', source_id: ticket.id }, limit))
  return found.map((document) => ({
    ...document,
    passage: bestPassage(document.content, query, PASSAGE_CHARS)?.passage ?? document.content.slice(0, PASSAGE_CHARS),
  }))
}
