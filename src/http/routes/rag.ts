import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { SOURCE_TYPES } from '#db/rag-links.ts'
import { searchRag } from '#db/rag-search.ts'
import type { FoundDocument } from '#db/rag-search.ts'
import { findTicket } from '#db/tickets.ts'
import type { TicketRow } from '#db/tickets.ts'
import { relatedDocuments } from '#kb/related.ts'
import type { RelatedDocument } from '#kb/related.ts'
import { bestPassage } from '#kb/passages.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, uuidParams } from '../shapes.ts'
import { isStaff, viewerOf } from '../ticket-view.ts'

const SEARCH_CHARS = 200
const EXCERPT_CHARS = 300
const RELATED_MAX = 20
/** What is handed to whoever writes an answer, altogether. */
const CONTEXT_CHARS = 12_000
const CONTEXT_DOCUMENTS = 8

const ragQuery = z.strictObject({
  q: z.string().min(1).max(SEARCH_CHARS).describe('Words, any of them; "a phrase", or, -without'),
  source_type: z.enum(SOURCE_TYPES).optional(),
  limit: limitQuery,
  cursor: cursorOf(z.tuple([z.number().min(0).max(10), z.guid()])),
})
const relatedQuery = z.strictObject({ limit: z.coerce.number().int().min(1).max(RELATED_MAX).default(5) })

const document = z.object({
  document_id: z.string(),
  source_type: z.enum(SOURCE_TYPES),
  source_id: z.string(),
  title: z.string(),
  number: z.number().nullable().describe('Of a ticket'),
  version: z.number().nullable().describe('Of an article'),
  chunk_index: z.number(),
  excerpt: z.string(),
  score: z.number(),
  lexical_score: z.number().describe('By its words: a share of the best'),
  graph_score: z.number().describe('By what links to it'),
  linked_from: z.array(z.object({ title: z.string(), edge: z.string() })).describe('The documents whose links brought it, and how'),
})
const ragDocument = document.meta({ id: 'RagDocument' })
const passage = z.object({
  source_type: z.enum(SOURCE_TYPES),
  source_id: z.string(),
  title: z.string(),
  number: z.number().nullable(),
  version: z.number().nullable(),
  chunk_index: z.number(),
  text: z.string().describe('Word for word as it stands in the source'),
  score: z.number(),
})
const context = z.object({ ticket_id: z.string(), passages: z.array(passage), characters: z.number() }).meta({ id: 'RagContext' })

/** Retrieval: what the organisation has published and solved before, by words and by links. */
export const ragRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['knowledge base']

  async function relatedOf(request: FastifyRequest, id: string, limit: number): Promise<{ ticket: TicketRow; documents: RelatedDocument[] }> {
    const tenant = tenantOf(request)
    const reader = { read: <T>(work: Parameters<typeof inOrganization<T>>[2]) => inOrganization(database.app, tenant.organization_id, work) }
    const ticket = await reader.read((tx) => findTicket(tx, viewerOf(tenant), id))
    if (!ticket) throw notFound('ticket')
    return { ticket, documents: await relatedDocuments(tenant.organization_id, reader, ticket, limit) }
  }

  app.get(
    '/rag/search',
    {
      schema: {
        summary: 'Articles (and for staff solved tickets) by words and by links, the best first; customers find published public articles',
        tags,
        querystring: ragQuery,
        response: { 200: pageOf(ragDocument) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { q, source_type = null, limit, cursor } = request.query
      const after = cursor ? { score: cursor[0], id: cursor[1] } : null
      const rows = await inOrganization(database.app, tenant.organization_id, (tx) =>
        searchRag(tx, { internal: isStaff(tenant) }, { words: q, source_type }, { after, limit: limit + 1 }),
      )
      return toPage(
        rows,
        limit,
        (row) => show(row, excerptOf(row.content, q)),
        (row) => [row.score, row.document_id],
      )
    },
  )

  app.get(
    '/rag/tickets/:id/similar',
    {
      schema: {
        summary: 'Solved tickets and articles that have to do with a ticket, the best first',
        tags,
        params: uuidParams,
        querystring: relatedQuery,
        response: { 200: listOf(ragDocument) },
      },
    },
    async (request) => {
      const { ticket, documents } = await relatedOf(request, request.params.id, request.query.limit)
      return {
        items: documents.map(({ passages: [best], ...found }) =>
          show({ ...found, chunk_index: best?.chunk_index ?? 0 }, excerptOf(best?.content ?? '', `${ticket.subject}\n${ticket.description}`)),
        ),
      }
    },
  )

  app.get(
    '/rag/tickets/:id/context',
    {
      schema: {
        summary: 'The passages that an answer to a ticket can rest on, each with its source; what is in them was written by others',
        tags,
        params: uuidParams,
        response: { 200: context },
      },
    },
    async (request) => {
      const { ticket, documents } = await relatedOf(request, request.params.id, CONTEXT_DOCUMENTS)
      const passages = withinBudget(documents)
      return { ticket_id: ticket.id, passages, characters: passages.reduce((sum, { text }) => sum + text.length, 0) }
    },
  )
}

function show({ content: _content, ...found }: FoundDocument, excerpt: string): z.infer<typeof document> {
  return { ...found, excerpt }
}

function excerptOf(text: string, query: string): string {
  return (bestPassage(text, query, EXCERPT_CHARS)?.passage ?? text).slice(0, EXCERPT_CHARS)
}

function withinBudget(documents: readonly RelatedDocument[]): z.infer<typeof passage>[] {
  let left = CONTEXT_CHARS
  return documents.flatMap(({ source_type, source_id, title, number, version, score, passages }) =>
    passages.flatMap(({ chunk_index, content: text }) => {
      if (text.length > left) return []
      left -= text.length
      return [{ source_type, source_id, title, number, version, chunk_index, text, score }]
    }),
  )
}
