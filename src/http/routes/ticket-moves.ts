import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { lockTicket, TICKET_STATES } from '#db/tickets.ts'
import type { TicketRow } from '#db/tickets.ts'
import { etagOf, requireMatch } from '../etag.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { noBody, uuidParams } from '../shapes.ts'
import { assignTicket } from '../ticket-assignment.ts'
import { moveTicket } from '../ticket-change.ts'
import type { Author, Changed } from '../ticket-change.ts'
import { ticketSchema } from '../ticket-shapes.ts'
import { viewerOf } from '../ticket-view.ts'

const assignment = z.strictObject({ assignee_id: z.guid().nullable().describe('A member of staff; null for nobody') })
const wantedStatus = z.strictObject({ status: z.enum(TICKET_STATES) })

export const ticketMoveRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const response = { 200: ticketSchema }
  const tags = ['tickets']

  /** One decision about one ticket, which nobody else changes meanwhile. */
  async function decide(
    request: FastifyRequest,
    reply: FastifyReply,
    id: string,
    decision: (tx: DatabaseTransactionConnection, author: Author, ticket: TicketRow) => Promise<Changed>,
  ): Promise<TicketRow> {
    const tenant = tenantOf(request)
    const { ticket, queues } = await inOrganization(database.app, tenant.organization_id, async (tx) => {
      const locked = await lockTicket(tx, viewerOf(tenant), id)
      if (!locked) throw notFound('ticket')
      requireMatch(request, locked)
      return decision(tx, { ...tenant, request_id: request.id }, locked)
    })
    notifier.notify(...queues)
    reply.header('etag', etagOf(ticket))
    return ticket
  }

  app.post(
    '/tickets/:id/accept',
    { schema: { summary: 'Accept a ticket: its SLA starts', tags, params: uuidParams, body: noBody, response } },
    (request, reply) =>
      decide(request, reply, request.params.id, (tx, author, ticket) => moveTicket(tx, author, ticket, { to: 'accepted', action: 'ticket.accept' })),
  )

  app.post(
    '/tickets/:id/assign',
    { schema: { summary: 'Give a ticket to somebody, or to nobody', tags, params: uuidParams, body: assignment, response } },
    (request, reply) => decide(request, reply, request.params.id, (tx, author, ticket) => assignTicket(tx, author, ticket, request.body.assignee_id)),
  )

  app.post(
    '/tickets/:id/status',
    { schema: { summary: 'Move a ticket; 409 names the statuses that are allowed', tags, params: uuidParams, body: wantedStatus, response } },
    (request, reply) =>
      decide(request, reply, request.params.id, (tx, author, ticket) =>
        moveTicket(tx, author, ticket, { to: request.body.status, action: request.body.status === 'accepted' ? 'ticket.accept' : 'ticket.status' }),
      ),
  )
}
