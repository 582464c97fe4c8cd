import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { noteDependency } from '#db/dependencies.ts'
import { SOURCE_TYPES } from '#db/rag-links.ts'
import { isExactQuery, searchRag } from '#db/rag-search.ts'
import type { FoundDocument } from '#db/rag-search.ts'
import { findTicket } from '#db/tickets.ts'
import type { TicketRow } from '#db/tickets.ts'
import { findPerson } from '#db/users.ts'
import { relatedDocuments } from '#kb/related.ts'
import type { RelatedDocument } from '#kb/related.ts'
import { bestPassage } from '#kb/passages.ts'
import { nearTo, queryVector } from '#kb/vectors.ts'
import type { NoVector, Sender } from '#kb/vectors.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, uuidParams } from '../shapes.ts'
import { isStaff, viewerOf } from '../ticket-view.ts'

const SEARCH_CHARS = 200
const EXCERPT_CHARS = 300
const RELATED_MAX = 20
/** Documents that nearness may bring for a ticket. */
const NEAR_MAX = 20
/** Who searches waits briefly, and gives up nothing. */
const PATIENT = new AbortController().signal
/** What is handed to whoever writes an answer, altogether. */
const CONTEXT_CHARS = 12_000
const CONTEXT_DOCUMENTS = 8

const ragQuery = z.strictObject({
  q: z.string().min(1).max(SEARCH_CHARS).describe('Words, any of them; "a phrase", or, -without'),
  source_type: z.enum(SOURCE_TYPES).optional(),
  limit: limitQuery,
  cursor: cursorOf(z.tuple([z.number().min(0).max(10), z.guid(), z.enum(['hybrid', 'lexical'])])),
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
  vector_score: z.number().describe('By nearness: 0 at the floor, 1 for the nearest'),
  graph_score: z.number().describe('By what links to it'),
  linked_from: z.array(z.object({ title: z.string(), edge: z.string() })).describe('The documents whose links brought it, and how'),
})
const ragDocument = document.meta({ id: 'RagDocument' })
const basis = {
  basis: z.enum(['hybrid', 'lexical']).describe('By words and nearness, or by words alone'),
  basis_reason: z.string().nullable().describe('Why by words alone'),
}
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
const context = z.object({ ...basis, ticket_id: z.string(), passages: z.array(passage), characters: z.number() }).meta({ id: 'RagContext' })

/** Retrieval: what the organisation has published and solved before, by words and by links. */
export const ragRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['knowledge base']

  const senderOf = (organizationId: string, ticketId: string | null): Sender => ({
    read: (work) => inOrganization(database.app, organizationId, work),
    note: (seen) => noteDependency(database.system, seen),
    ticket_id: ticketId,
    job_id: null,
  })

  async function relatedOf(request: FastifyRequest, id: string, limit: number): Promise<{ ticket: TicketRow; documents: RelatedDocument[]; basis: Basis }> {
    const tenant = tenantOf(request)
    const sender = senderOf(tenant.organization_id, id)
    const ticket = await sender.read((tx) => findTicket(tx, viewerOf(tenant), id))
    if (!ticket) throw notFound('ticket')
    const requester = await sender.read((tx) => findPerson(tx, ticket.requester_id))
    const query = { text: `${ticket.subject}\n${ticket.description}`, names: requester ? [requester.full_name] : [] }
    const { near, reason } = await nearTo(tenant.organization_id, sender, query, { internal: true }, NEAR_MAX, PATIENT)
    return { ticket, documents: await relatedDocuments(tenant.organization_id, sender, ticket, near, limit), basis: basisOf(reason) }
  }

  /** A list goes on as it began: by words alone, or by both; where it cannot, it is to be asked for anew. */
  async function vectorFor(request: FastifyRequest, q: string, begun: Basis['basis'] | undefined) {
    const { organization_id } = tenantOf(request)
    const vector: Awaited<ReturnType<typeof queryVector>> =
      begun === 'lexical'
        ? { reason: 'it goes on as it began' }
        : isExactQuery(q)
          ? { reason: 'a phrase, an or, and a minus are looked for word by word' }
          : await queryVector(organization_id, senderOf(organization_id, null), { text: q, names: [] }, PATIENT)
    if (begun === 'hybrid' && 'reason' in vector) throw refusal(409, `This list cannot go on as it began, because ${vector.reason}: search again.`)
    return vector
  }

  app.get(
    '/rag/search',
    {
      schema: {
        summary:
          'Articles (and for staff solved tickets) by words, by nearness where an embedding model is set, and by links, the best first; customers find published public articles',
        tags,
        querystring: ragQuery,
        response: { 200: pageOf(ragDocument).extend(basis) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { q, source_type = null, limit, cursor } = request.query
      const after = cursor ? { score: cursor[0], id: cursor[1] } : null
      const found = await vectorFor(request, q, cursor?.[2])
      const [vector, basis] = 'reason' in found ? [null, basisOf(found.reason)] : [found, basisOf(null)]
      const rows = await inOrganization(database.app, tenant.organization_id, (tx) =>
        searchRag(tx, { internal: isStaff(tenant) }, { words: q, source_type, vector }, { after, limit: limit + 1 }),
      )
      const page = toPage(
        rows,
        limit,
        (row) => show(row, excerptOf(row.content, q)),
        (row) => [row.score, row.document_id, basis.basis],
      )
      return { ...page, ...basis }
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
        response: { 200: listOf(ragDocument).extend(basis) },
      },
    },
    async (request) => {
      const { ticket, documents, basis } = await relatedOf(request, request.params.id, request.query.limit)
      return {
        ...basis,
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
      const { ticket, documents, basis } = await relatedOf(request, request.params.id, CONTEXT_DOCUMENTS)
      const passages = withinBudget(documents)
      return { ...basis, ticket_id: ticket.id, passages, characters: passages.reduce((sum, { text }) => sum + text.length, 0) }
    },
  )
}

interface Basis {
  basis: 'hybrid' | 'lexical'
  basis_reason: string | null
}

const basisOf = (reason: NoVector['reason'] | null): Basis => ({ basis: reason === null ? 'hybrid' : 'lexical', basis_reason: reason })

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
