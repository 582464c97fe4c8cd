import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { TICKET_STATES } from '#db/tickets.ts'
import type { RouteOptions } from '../services.ts'
import { noBody, uuidParams } from '../shapes.ts'
import { assignTicket } from '../ticket-assignment.ts'
import { moveTicket } from '../ticket-change.ts'
import { decideOn } from '../ticket-decision.ts'
import { ticketSchema } from '../ticket-shapes.ts'

const assignment = z.strictObject({ assignee_id: z.guid().nullable().describe('A member of staff; null for nobody') })
const wantedStatus = z.strictObject({ status: z.enum(TICKET_STATES) })

export const ticketMoveRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services }) => {
  const response = { 200: ticketSchema }
  const tags = ['tickets']

  app.post(
    '/tickets/:id/accept',
    { schema: { summary: 'Accept a ticket: its SLA starts', tags, params: uuidParams, body: noBody, response } },
    (request, reply) =>
      decideOn(services, request, reply, request.params.id, (tx, author, ticket) =>
        moveTicket(tx, author, ticket, { to: 'accepted', action: 'ticket.accept' }),
      ),
  )

  app.post(
    '/tickets/:id/assign',
    { schema: { summary: 'Give a ticket to somebody, or to nobody', tags, params: uuidParams, body: assignment, response } },
    (request, reply) =>
      decideOn(services, request, reply, request.params.id, (tx, author, ticket) => assignTicket(tx, author, ticket, request.body.assignee_id)),
  )

  app.post(
    '/tickets/:id/status',
    { schema: { summary: 'Move a ticket; 409 names the statuses that are allowed', tags, params: uuidParams, body: wantedStatus, response } },
    (request, reply) =>
      decideOn(services, request, reply, request.params.id, (tx, author, ticket) =>
        moveTicket(tx, author, ticket, { to: request.body.status, action: request.body.status === 'accepted' ? 'ticket.accept' : 'ticket.status' }),
      ),
  )
}
