import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { lockTicket, TICKET_STATES } from '#db/tickets.ts'
import type { TicketRow, TicketState } from '#db/tickets.ts'
import { findUser } from '#db/users.ts'
import { etagOf, requireMatch } from '../etag.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { noBody, uuidParams } from '../shapes.ts'
import { moveTicket, reassignTicket, refuseMove } from '../ticket-change.ts'
import type { Author, Changed } from '../ticket-change.ts'
import { ticketSchema } from '../ticket-shapes.ts'
import { isStaffRole, viewerOf } from '../ticket-view.ts'

const assignment = z.strictObject({ assignee_id: z.guid().nullable().describe('A member of staff; null for nobody') })
const wantedStatus = z.strictObject({ status: z.enum(TICKET_STATES) })

/** A ticket in one of these can change hands without moving. */
const WORKED_ON: readonly TicketState[] = ['accepted', 'assigned', 'in_progress', 'waiting_customer']

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
    (request, reply) => decide(request, reply, request.params.id, (tx, author, ticket) => assign(tx, author, ticket, request.body.assignee_id)),
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

/** The first assignment moves the ticket; later ones only change hands. */
async function assign(tx: DatabaseTransactionConnection, author: Author, ticket: TicketRow, assignee: string | null): Promise<Changed> {
  if (!WORKED_ON.includes(ticket.status)) throw refuseMove(ticket.status, 'assigned')
  if (assignee !== null) await requireStaff(tx, assignee)
  if (ticket.status === 'accepted' && assignee !== null) return moveTicket(tx, author, ticket, { to: 'assigned', action: 'ticket.assign', assignee })
  return reassignTicket(tx, author, ticket, assignee)
}

/** @throws a refusal with 422 where the organisation has no such active member of staff */
async function requireStaff(tx: DatabaseTransactionConnection, userId: string): Promise<void> {
  const user = await findUser(tx, userId)
  if (user?.is_active && isStaffRole(user.role)) return
  throw refusal(422, 'Tickets are assigned to active members of staff.', {
    errors: [{ location: 'body', path: 'assignee_id', message: 'is no active member of staff' }],
  })
}
