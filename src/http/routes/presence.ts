import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { forgetPresence, listPresent, notePresence, PRESENT_SECONDS } from '#db/presence.ts'
import { findTicket } from '#db/tickets.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, uuidParams } from '../shapes.ts'
import { viewerOf } from '../ticket-view.ts'

const body = z.strictObject({ is_writing: z.boolean().default(false) })
const present = z.object({ user_id: z.string(), full_name: z.string(), is_writing: z.boolean(), seen_at: z.date() }).meta({ id: 'Present' })

/** Who else has a ticket open: so that two do not answer the same customer. */
export const presenceRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['tickets']

  app.put(
    '/tickets/:id/presence',
    {
      schema: {
        summary: `Say that one has a ticket open, and hear who else has; it is forgotten after ${PRESENT_SECONDS} s`,
        tags,
        params: uuidParams,
        body,
        response: { 200: listOf(present) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const ticket_id = request.params.id
      const others = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        if (!(await findTicket(tx, viewerOf(tenant), ticket_id))) throw notFound('ticket')
        await notePresence(tx, { ticket_id, user_id: tenant.user_id, is_writing: request.body.is_writing })
        return listPresent(tx, ticket_id, tenant.user_id)
      })
      return { items: [...others] }
    },
  )

  app.delete(
    '/tickets/:id/presence',
    { schema: { summary: 'Say that one has left a ticket', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const tenant = tenantOf(request)
      await inOrganization(database.app, tenant.organization_id, async (tx) => {
        if (!(await findTicket(tx, viewerOf(tenant), request.params.id))) throw notFound('ticket')
        await forgetPresence(tx, request.params.id, tenant.user_id)
      })
      return reply.code(204).send()
    },
  )
}
