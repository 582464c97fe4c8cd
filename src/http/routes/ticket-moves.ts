import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { TICKET_STATES } from '#db/tickets.ts'
import type { RouteOptions } from '../services.ts'
import { acceptTicket, assignInGroup, requireGroupOf } from '../group-assignment.ts'
import { noBody, uuidParams } from '../shapes.ts'
import { assignTicket } from '../ticket-assignment.ts'
import { moveTicket } from '../ticket-change.ts'
import { decideOn } from '../ticket-decision.ts'
import { ticketSchema } from '../ticket-shapes.ts'

const assignment = z
  .strictObject({
    assignee_id: z.guid().nullable().describe('A member of staff; null for nobody'),
    group_id: z.guid().describe("In place of assignee_id: whoever of this group (of the service's group, where only a strategy is given) has the turn"),
    strategy: z.enum(['round_robin', 'least_load']).describe("In place of the group's own"),
  })
  .partial()
  .refine(
    ({ assignee_id, group_id, strategy }) => (assignee_id === undefined) !== (group_id === undefined && strategy === undefined),
    'must have either an assignee_id, or a group_id or strategy',
  )
const wantedStatus = z.strictObject({ status: z.enum(TICKET_STATES) })

export const ticketMoveRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services }) => {
  const response = { 200: ticketSchema }
  const tags = ['tickets']

  app.post(
    '/tickets/:id/accept',
    { schema: { summary: "Accept a ticket: its SLA starts, and its service's group gets it", tags, params: uuidParams, body: noBody, response } },
    (request, reply) => decideOn(services, request, reply, request.params.id, acceptTicket),
  )

  app.post(
    '/tickets/:id/assign',
    { schema: { summary: 'Give a ticket to somebody, or to nobody', tags, params: uuidParams, body: assignment, response } },
    (request, reply) =>
      decideOn(services, request, reply, request.params.id, async (tx, author, ticket) => {
        const { assignee_id, group_id, strategy } = request.body
        if (assignee_id !== undefined) return assignTicket(tx, author, ticket, assignee_id)
        return assignInGroup(tx, author, ticket, group_id ?? (await requireGroupOf(tx, ticket)), strategy)
      }),
  )

  app.post(
    '/tickets/:id/status',
    { schema: { summary: 'Move a ticket; 409 names the statuses that are allowed', tags, params: uuidParams, body: wantedStatus, response } },
    (request, reply) =>
      decideOn(services, request, reply, request.params.id, (tx, author, ticket) =>
        request.body.status === 'accepted'
          ? acceptTicket(tx, author, ticket)
          : moveTicket(tx, author, ticket, { to: request.body.status, action: 'ticket.status' }),
      ),
  )
}
