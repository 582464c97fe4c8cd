import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { foundTicket, searchTickets } from '#db/ticket-search.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { viewerOf } from '../ticket-view.ts'

const SEARCH_CHARS = 200

const searchQuery = z.strictObject({
  q: z.string().min(1).max(SEARCH_CHARS).describe('Words; "a phrase", or, -without'),
  limit: limitQuery,
  cursor: cursorOf(z.tuple([z.number().min(0).max(1_000), z.int()])),
})

export const searchRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  app.get(
    '/search',
    {
      schema: {
        summary: 'Tickets by their words and those of their comments, the best match first',
        description: 'Where more than 500 texts match, those of the newest tickets are ranked; of a word that is everywhere the newest 200 to 500.',
        tags: ['tickets'],
        querystring: searchQuery,
        response: { 200: pageOf(foundTicket.meta({ id: 'FoundTicket' })) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { q, limit, cursor } = request.query
      const after = cursor ? { rank: cursor[0], number: cursor[1] } : null
      const rows = await inOrganization(database.app, tenant.organization_id, (tx) => searchTickets(tx, viewerOf(tenant), q, { after, limit: limit + 1 }))
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.rank, row.number],
      )
    },
  )
}
