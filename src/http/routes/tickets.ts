import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { PRIORITIES } from '#db/job-inputs.ts'
import { inOrganization } from '#db/pool.ts'
import { listTickets } from '#db/ticket-list.ts'
import { rulesFor } from '#db/ticket-rules.ts'
import { findView } from '#db/ticket-views.ts'
import { findTicket } from '#db/tickets.ts'
import { etagOf, isKnown } from '../etag.ts'
import { once, sendCreated } from '../idempotency.ts'
import { pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { editTicket } from '../ticket-change.ts'
import { decideOn } from '../ticket-decision.ts'
import { takeIn } from '../ticket-intake.ts'
import { requireActiveService } from '../ticket-service.ts'
import { RULES_MAX, runRules } from '../ticket-rules.ts'
import { description, subject, ticketSchema, ticketTags } from '../ticket-shapes.ts'
import { conditionOf, ticketQuery } from '../ticket-query.ts'
import { isStaff, viewerOf } from '../ticket-view.ts'

const newTicket = z.strictObject({
  subject,
  description,
  priority: z.enum(PRIORITIES).optional(),
  service_id: z.guid().optional(),
  tags: ticketTags.optional(),
  requester_id: z.guid().describe('For staff: on whose behalf').optional(),
})

const edit = z.strictObject({ subject, description, priority: z.enum(PRIORITIES), tags: ticketTags, service_id: z.guid().nullable() }).partial()

export const ticketRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services }) => {
  const { database, notifier } = services
  const tags = ['tickets']

  app.post('/tickets', { schema: { summary: 'File a ticket', tags, body: newTicket, response: { 201: ticketSchema } } }, async (request, reply) => {
    const tenant = tenantOf(request)
    const { body } = request
    if (body.requester_id && body.requester_id !== tenant.user_id && !isStaff(tenant)) throw refusal(403, 'Only staff may file a ticket for somebody else.')
    let queues: string[] = []
    using wake = notifier.wake()
    const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
      once(tx, request, tenant, async () => {
        if (body.service_id) await requireActiveService(tx, body.service_id)
        const author = { ...tenant, request_id: request.id }
        // Before the organisation's next number is locked.
        const rules = await rulesFor(tx, ['created'], RULES_MAX)
        const wanted = {
          subject: body.subject,
          description: body.description,
          priority: body.priority ?? null,
          service_id: body.service_id ?? null,
          tags: [...new Set(body.tags)],
          requester_id: body.requester_id ?? tenant.user_id,
        }
        const taken = await takeIn(tx, author, wanted, wake.atCommit)
        const ruled = await runRules(tx, author, ['created'], taken, rules)
        queues = ruled.queues
        return ruled.ticket
      }),
    )
    wake.notify(...queues)
    const { id, version } = answer.body as { id: string; version: number }
    reply.headers({ location: `/api/v1/tickets/${id}`, etag: `"${version}"` })
    return sendCreated(reply, answer)
  })

  app.get(
    '/tickets',
    { schema: { summary: 'Tickets, the newest first where no order is asked for', tags, querystring: ticketQuery, response: { 200: pageOf(ticketSchema) } } },
    async (request) => {
      const tenant = tenantOf(request)
      const { limit, cursor, q = null, view: viewId } = request.query
      return inOrganization(database.app, tenant.organization_id, async (tx) => {
        const view = viewId === undefined ? null : await findView(tx, tenant, viewId)
        if (viewId !== undefined && !view) throw notFound('view')
        const sort = request.query.sort ?? view?.sort ?? '-number'
        if (cursor && cursor[0] !== sort) throw refusal(400, 'The cursor is one of a list in another order.')
        const conditions = [conditionOf(request.query, tenant.user_id), view?.condition ?? null].filter((each) => each !== null)
        const condition = conditions.length === 0 ? null : { all: conditions }
        const after = cursor ? { key: cursor[1], number: cursor[2] } : null
        const rows = await listTickets(tx, viewerOf(tenant), { condition, q, sort }, { after, limit: limit + 1 })
        return toPage(
          rows,
          limit,
          ({ sort_key: _key, ...ticket }) => ticket,
          (row) => [sort, row.sort_key, row.number],
        )
      })
    },
  )

  app.get(
    '/tickets/:id',
    {
      schema: {
        summary: 'A ticket; 304 to If-None-Match where nobody changed it (the figures of its clock do not count)',
        tags,
        params: uuidParams,
        response: { 200: ticketSchema, 304: z.void() },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const ticket = await inOrganization(database.app, tenant.organization_id, (tx) => findTicket(tx, viewerOf(tenant), request.params.id))
      if (!ticket) throw notFound('ticket')
      reply.header('etag', etagOf(ticket))
      return isKnown(request, ticket) ? reply.code(304).send() : ticket
    },
  )

  app.patch(
    '/tickets/:id',
    {
      schema: { summary: 'Change a ticket; 412 where If-Match names an older version', tags, params: uuidParams, body: edit, response: { 200: ticketSchema } },
    },
    (request, reply) => {
      const { body } = request
      const wanted = { ...body, ...(body.tags ? { tags: [...new Set(body.tags)] } : {}) }
      return decideOn(services, request, reply, request.params.id, (tx, author, ticket) => editTicket(tx, author, ticket, wanted))
    },
  )
}
