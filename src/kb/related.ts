import type { Reader } from '#ai/reader.ts'
import { chunksOf, rankRag } from '#db/rag-search.ts'
import type { FoundDocument } from '#db/rag-search.ts'
import { articleIndex, solvedIndex } from './library.ts'
import { RELEVANCE_FLOOR } from './reply.ts'
import { languageOf, searchTerms } from './language.ts'
import { together } from './vectors.ts'
import type { Near } from './vectors.ts'

/** How many articles and solved tickets the words may bring, before the graph has its say. */
const BY_WORDS = 10
/** Passages of one document that are handed on. */
const PASSAGES = 2

/** A document that has to do with a ticket, with the passages that say most about it, the best first. */
export interface RelatedDocument extends FoundDocument {
  passages: { chunk_index: number; content: string }[]
}

/**
 * Articles and solved tickets for a ticket: by their words, as drafts of replies find their sources, by nearness, and by what those (and
 * the ticket itself) are linked to. For staff: what customers may not see is among them.
 */
export async function relatedDocuments(
  organizationId: string,
  reader: Reader,
  ticket: { id: string; subject: string; description: string },
  near: readonly Near[],
  limit: number,
): Promise<RelatedDocument[]> {
  const query = `${ticket.subject}\n${ticket.description}`
  const articles = (await articleIndex(organizationId, reader)).search(query, BY_WORDS)
  const solved = (await solvedIndex(organizationId, reader)).search(query, BY_WORDS, ({ id }) => id !== ticket.id)
  const byWords = [
    ...articles.map(({ item, relevance }) => ({ source_type: 'kb' as const, source_id: item.id, relevance })),
    ...solved.map(({ item, relevance }) => ({ source_type: 'ticket' as const, source_id: item.id, relevance })),
  ]
  const keyOf = ({ source_type, source_id }: Pick<Near, 'source_type' | 'source_id'>): string => `${source_type} ${source_id}`
  const nearness = new Map(near.filter(({ source_id }) => source_id !== ticket.id).map((one) => [keyOf(one), one]))
  const named = new Set(byWords.map(keyOf))
  const beside = [...nearness.values()].filter((one) => !named.has(keyOf(one))).map(({ source_type, source_id }) => ({ source_type, source_id, relevance: 0 }))
  const hits = [...byWords, ...beside]
    .map((hit) => ({ ...hit, relevance: together(hit.relevance, nearness.get(keyOf(hit))?.nearness ?? 0) }))
    .filter(({ relevance }) => relevance >= RELEVANCE_FLOOR)
  const found = await reader.read((db) => rankRag(db, { internal: true }, hits, { source_type: 'ticket', source_id: ticket.id }, limit))
  const chunks = await reader.read((db) =>
    chunksOf(
      db,
      found.map(({ document_id }) => document_id),
    ),
  )
  const ofDocument = Map.groupBy(chunks, ({ document_id }) => document_id)
  return found.map((document) => ({ ...document, passages: bestChunks(ofDocument.get(document.document_id) ?? [], query) }))
}

/** Those that share most words with what is asked; the first of a document that shares none. */
function bestChunks<Chunk extends { content: string }>(chunks: readonly Chunk[], query: string): Chunk[] {
  const language = languageOf(chunks.map(({ content }) => content).join('\n'))
  const wanted = new Set(searchTerms(query, language))
  const ranked = chunks
    .map((chunk) => ({ chunk, shared: new Set(searchTerms(chunk.content, language).filter((term) => wanted.has(term))).size }))
    .toSorted((a, b) => b.shared - a.shared)
  return ranked
    .filter(({ shared }, place) => place === 0 || shared > 0)
    .slice(0, PASSAGES)
    .map(({ chunk }) => chunk)
}
