import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { PRIORITIES } from '#db/job-inputs.ts'
import { inOrganization } from '#db/pool.ts'
import { lockRow } from '#db/row-lock.ts'
import { deleteService, findService, insertService, listServices, serviceRow, updateService } from '#db/services.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { isStaff } from '../ticket-view.ts'

const NAME_CHARS = 200
const DESCRIPTION_CHARS = 5_000
const ALL = { inactive: true }

const name = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
const description = z.string().max(DESCRIPTION_CHARS)
const default_priority = z.enum(PRIORITIES).describe('Of tickets that name none')
const is_active = z.boolean().describe('Whether new tickets can have it; customers see no other')
const group_id = z.guid().nullable().describe('The group that works on its tickets: where it has a strategy, an accepted ticket is given to a member at once')
const newService = z.strictObject({
  name,
  description: description.default(''),
  default_priority: default_priority.default('medium'),
  is_active: is_active.default(true),
  group_id: group_id.default(null),
})
const edit = z.strictObject({ name, description, default_priority, is_active, group_id }).partial()
const serviceQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.string()])) })
const serviceSchema = serviceRow.meta({ id: 'Service' })

/** What tickets are about: their categories. */
export const serviceRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['services']

  app.get(
    '/services',
    { schema: { summary: 'Services, by name', tags, querystring: serviceQuery, response: { 200: pageOf(serviceSchema) } } },
    async (request) => {
      const tenant = tenantOf(request)
      const { limit, cursor } = request.query
      const rows = await inOrganization(database.app, tenant.organization_id, (tx) =>
        listServices(tx, { inactive: isStaff(tenant) }, { after: cursor?.[0] ?? null, limit: limit + 1 }),
      )
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.name],
      )
    },
  )

  app.post('/services', { schema: { summary: 'Offer a service', tags, body: newService, response: { 201: serviceSchema } } }, async (request, reply) => {
    const tenant = tenantOf(request)
    const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
      once(tx, request, tenant, async () => {
        const service = await insertService(tx, request.body)
        await note(tx, request, { action: 'service.create', entity_type: 'service', entity_id: service.id, details: service })
        return service
      }),
    )
    reply.header('location', `/api/v1/services/${(answer.body as { id: string }).id}`)
    return sendCreated(reply, answer)
  })

  app.get('/services/:id', { schema: { summary: 'A service', tags, params: uuidParams, response: { 200: serviceSchema } } }, async (request) => {
    const tenant = tenantOf(request)
    const service = await inOrganization(database.app, tenant.organization_id, (tx) => findService(tx, { inactive: isStaff(tenant) }, request.params.id))
    if (!service) throw notFound('service')
    return service
  })

  app.patch('/services/:id', { schema: { summary: 'Change a service', tags, params: uuidParams, body: edit, response: { 200: serviceSchema } } }, (request) =>
    inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
      await lockRow(tx, 'services', request.params.id)
      const before = await findService(tx, ALL, request.params.id)
      if (!before) throw notFound('service')
      const service = await updateService(tx, before.id, { ...before, ...request.body })
      await note(tx, request, { action: 'service.update', entity_type: 'service', entity_id: service.id, details: { from: before, to: service } })
      return service
    }),
  )

  app.delete(
    '/services/:id',
    {
      schema: {
        summary: 'Delete a service that no ticket has; 409 where one has it: end its offer instead',
        tags,
        params: uuidParams,
        response: { 204: z.void() },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        await lockRow(tx, 'services', id)
        if (!(await findService(tx, ALL, id))) throw notFound('service')
        if ((await deleteService(tx, id)) === 0) throw refusal(409, 'There are tickets of this service: set is_active to false instead.')
        await note(tx, request, { action: 'service.delete', entity_type: 'service', entity_id: id })
      })
      return reply.code(204).send()
    },
  )
}
