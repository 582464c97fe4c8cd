import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { historyRow, listTicketHistory } from '#db/ticket-history.ts'
import { findTicket } from '#db/tickets.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { isStaff, viewerOf } from '../ticket-view.ts'

const KEY_CHARS = 40

const historyQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.int(), z.int().min(0).max(3), z.string().max(KEY_CHARS)])) })
const entry = historyRow.extend({ at: z.date(), actor: historyRow.shape.actor.describe('Null where a job did it') }).meta({ id: 'TicketHistoryEntry' })

export const ticketHistoryRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  app.get(
    '/tickets/:id/history',
    {
      schema: {
        summary: 'What happened to a ticket, the oldest first',
        tags: ['tickets'],
        params: uuidParams,
        querystring: historyQuery,
        response: { 200: pageOf(entry) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { limit, cursor } = request.query
      const after = cursor ? { at_us: cursor[0], source: cursor[1], key: cursor[2] } : null
      const rows = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        if (!(await findTicket(tx, viewerOf(tenant), request.params.id))) throw notFound('ticket')
        return listTicketHistory(tx, request.params.id, { internal: isStaff(tenant) }, { after, limit: limit + 1 })
      })
      return toPage(
        rows,
        limit,
        ({ at, action, actor, details }) => ({ at, action, actor, details }),
        ({ at_us, source, key }) => [at_us, source, key],
      )
    },
  )
}
