import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { showTickets, shownTicket } from '#db/similar-tickets.ts'
import { findTicket } from '#db/tickets.ts'
import { recentIndex } from '#kb/library.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, uuidParams } from '../shapes.ts'
import { viewerOf } from '../ticket-view.ts'

const SIMILAR_MAX = 20
/** Less alike than this is not shown. */
const LEAST_SIMILARITY = 0.1

const similarQuery = z.strictObject({ limit: z.coerce.number().int().min(1).max(SIMILAR_MAX).default(5) })
const similarTicket = shownTicket
  .extend({
    similarity: z.number().describe('0 to 1: how alike their words are'),
    relation: shownTicket.shape.relation.describe('What people have said the two are to each other'),
  })
  .meta({ id: 'SimilarTicket' })

export const ticketSimilarRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  app.get(
    '/tickets/:id/similar',
    {
      schema: {
        summary: 'Open and recent tickets that are about the same, the most alike first; whether they are duplicates is for people to say',
        tags: ['ticket AI'],
        params: uuidParams,
        querystring: similarQuery,
        response: { 200: listOf(similarTicket) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const reader = { read: <T>(work: Parameters<typeof inOrganization<T>>[2]) => inOrganization(database.app, tenant.organization_id, work) }
      const ticket = await reader.read((tx) => findTicket(tx, viewerOf(tenant), request.params.id))
      if (!ticket) throw notFound('ticket')
      const index = await recentIndex(tenant.organization_id, reader)
      const found = new Map(index.similar(ticket, request.query.limit).map((hit) => [hit.ticket.id, hit.similarity]))
      const shown = await reader.read((tx) => showTickets(tx, [...found.keys()], ticket.id))
      return {
        items: shown
          .map((one) => ({ ...one, similarity: found.get(one.id)! }))
          .filter(({ similarity }) => similarity >= LEAST_SIMILARITY)
          .toSorted((a, b) => b.similarity - a.similarity),
      }
    },
  )
}
