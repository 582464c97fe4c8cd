import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { cannedRow, deleteCanned, findCanned, insertCanned, listCanned, readPeopleOf, updateCanned } from '#db/canned-responses.ts'
import type { CannedRow } from '#db/canned-responses.ts'
import { inOrganization } from '#db/pool.ts'
import { lockRow } from '#db/row-lock.ts'
import { findTicket } from '#db/tickets.ts'
import { fill, PLACEHOLDERS, unknownPlaceholders } from '#desk/placeholders.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { viewerOf } from '../ticket-view.ts'

const NAME_CHARS = 200
const CONTENT_CHARS = 20_000

const name = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
const content = z
  .string()
  .max(CONTENT_CHARS)
  .regex(/\S/, 'must say something')
  .describe(`With placeholders: ${PLACEHOLDERS.map((each) => `{{${each}}}`).join(', ')}`)
const service_id = z.guid().nullable().describe('The service whose tickets it is for; null for all')
const newCanned = z.strictObject({ name, content, service_id: service_id.default(null) })
const edit = z.strictObject({ name, content, service_id }).partial()
const cannedQuery = z.strictObject({ service_id: z.guid().optional(), limit: limitQuery, cursor: cursorOf(z.tuple([z.string()])) })
const unknown_placeholders = z.array(z.string()).describe('Names in the text that stand for nothing: they stay as they are written')
const cannedSchema = cannedRow.extend({ unknown_placeholders }).meta({ id: 'CannedResponse' })
const wanted = z.strictObject({ ticket_id: z.guid() })
const rendered = z
  .object({ content: z.string(), unknown_placeholders, empty_placeholders: z.array(z.string()).describe('Names of what this ticket does not have') })
  .meta({ id: 'RenderedResponse' })

export const cannedResponseRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['canned responses']
  const show = (row: CannedRow) => ({ ...row, unknown_placeholders: unknownPlaceholders(row.content) })

  app.get(
    '/canned-responses',
    { schema: { summary: 'Canned responses, by name', tags, querystring: cannedQuery, response: { 200: pageOf(cannedSchema) } } },
    async (request) => {
      const { limit, cursor, service_id = null } = request.query
      const rows = await inOrganization(database.app, tenantOf(request).organization_id, (tx) =>
        listCanned(tx, { service_id }, { after: cursor?.[0] ?? null, limit: limit + 1 }),
      )
      return toPage(rows, limit, show, (row) => [row.name])
    },
  )

  app.post(
    '/canned-responses',
    { schema: { summary: 'Keep a text to answer with', tags, body: newCanned, response: { 201: cannedSchema } } },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
        once(tx, request, tenant, async () => {
          const canned = await insertCanned(tx, request.body)
          await note(tx, request, { action: 'canned_response.create', entity_type: 'canned_response', entity_id: canned.id, details: { name: canned.name } })
          return show(canned)
        }),
      )
      reply.header('location', `/api/v1/canned-responses/${(answer.body as { id: string }).id}`)
      return sendCreated(reply, answer)
    },
  )

  app.get('/canned-responses/:id', { schema: { summary: 'A canned response', tags, params: uuidParams, response: { 200: cannedSchema } } }, async (request) => {
    const canned = await inOrganization(database.app, tenantOf(request).organization_id, (tx) => findCanned(tx, request.params.id))
    if (!canned) throw notFound('canned response')
    return show(canned)
  })

  app.patch(
    '/canned-responses/:id',
    { schema: { summary: 'Change a canned response', tags, params: uuidParams, body: edit, response: { 200: cannedSchema } } },
    (request) =>
      inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        await lockRow(tx, 'canned_responses', request.params.id)
        const before = await findCanned(tx, request.params.id)
        if (!before) throw notFound('canned response')
        const canned = await updateCanned(tx, before.id, { ...before, ...request.body })
        await note(tx, request, { action: 'canned_response.update', entity_type: 'canned_response', entity_id: canned.id, details: { name: canned.name } })
        return show(canned)
      }),
  )

  app.delete(
    '/canned-responses/:id',
    { schema: { summary: 'Delete a canned response', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const { id } = request.params
      await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        await lockRow(tx, 'canned_responses', id)
        if (!(await findCanned(tx, id))) throw notFound('canned response')
        await deleteCanned(tx, id)
        await note(tx, request, { action: 'canned_response.delete', entity_type: 'canned_response', entity_id: id })
      })
      return reply.code(204).send()
    },
  )

  app.post(
    '/canned-responses/:id/render',
    { schema: { summary: 'Fill a canned response for a ticket; nothing is sent', tags, params: uuidParams, body: wanted, response: { 200: rendered } } },
    (request) => {
      const tenant = tenantOf(request)
      return inOrganization(database.app, tenant.organization_id, async (tx) => {
        const canned = await findCanned(tx, request.params.id)
        if (!canned) throw notFound('canned response')
        const ticket = await findTicket(tx, viewerOf(tenant), request.body.ticket_id)
        if (!ticket) throw notFound('ticket')
        const { text, unknown, empty } = fill(canned.content, ticket, await readPeopleOf(tx, ticket.id, tenant.user_id))
        return { content: text, unknown_placeholders: unknown, empty_placeholders: empty }
      })
    },
  )
}
