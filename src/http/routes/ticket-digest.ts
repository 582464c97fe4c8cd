import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { digestOf } from '#ai/digest.ts'
import { listComments } from '#db/comments.ts'
import { inOrganization } from '#db/pool.ts'
import { findTicket } from '#db/tickets.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { viewerOf } from '../ticket-view.ts'

/** A longer thread is read from its beginning. */
const COMMENTS_MAX = 200
const THREAD_CHARS = 60_000

const digest = z
  .object({
    ticket_id: z.string(),
    summary: z.string().describe('Two sentences of the thread'),
    key_points: z.array(z.string()).describe('At most five'),
  })
  .meta({ id: 'TicketDigest' })

export const ticketDigestRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  app.get(
    '/tickets/:id/digest',
    { schema: { summary: 'What a thread is about, in sentences of its own', tags: ['tickets'], params: uuidParams, response: { 200: digest } } },
    async (request) => {
      const tenant = tenantOf(request)
      const { id } = request.params
      const texts = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        const ticket = await findTicket(tx, viewerOf(tenant), id)
        if (!ticket) throw notFound('ticket')
        const comments = await listComments(tx, id, { internal: true }, { after: null, limit: COMMENTS_MAX })
        return [`${ticket.subject}\n${ticket.description}`, ...comments.map(({ content }) => content)]
      })
      let room = THREAD_CHARS
      const read = texts.map((text) => text.slice(0, Math.max(0, (room -= text.length) + text.length)))
      return { ticket_id: id, ...digestOf(read) }
    },
  )
}
