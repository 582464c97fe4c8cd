import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { lockRow } from '#db/row-lock.ts'
import { conditionSchema } from '#db/ticket-condition.ts'
import { TICKET_SORTS } from '#db/ticket-list.ts'
import { deleteView, findView, insertView, listViews, updateView, viewRow } from '#db/ticket-views.ts'
import type { ViewRow } from '#db/ticket-views.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { Tenant } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'

const NAME_CHARS = 200

const name = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
const shared_with = z
  .array(z.enum(['agent', 'manager', 'admin']))
  .max(3)
  .describe('The roles that see it beside its owner')
const sort = z.enum(TICKET_SORTS)
const newView = z.strictObject({ name, condition: conditionSchema, sort: sort.default('-number'), shared_with: shared_with.default([]) })
const edit = z.strictObject({ name, condition: conditionSchema, sort, shared_with }).partial()
const viewQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.string(), z.guid()])) })
const viewSchema = viewRow.meta({ id: 'TicketView' })

/** Lists that somebody saved; GET /tickets?view= reads them. */
export const ticketViewRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['tickets']

  app.get(
    '/views',
    { schema: { summary: 'Own and shared views, by name', tags, querystring: viewQuery, response: { 200: pageOf(viewSchema) } } },
    async (request) => {
      const tenant = tenantOf(request)
      const { limit, cursor } = request.query
      const after = cursor ? { name: cursor[0], id: cursor[1] } : null
      const rows = await inOrganization(database.app, tenant.organization_id, (tx) => listViews(tx, tenant, { after, limit: limit + 1 }))
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.name, row.id],
      )
    },
  )

  app.post('/views', { schema: { summary: 'Save a view', tags, body: newView, response: { 201: viewSchema } } }, async (request, reply) => {
    const tenant = tenantOf(request)
    const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
      once(tx, request, tenant, async () => {
        const view = await insertView(tx, tenant.user_id, { ...request.body, shared_with: [...new Set(request.body.shared_with)] })
        await note(tx, request, { action: 'view.create', entity_type: 'view', entity_id: view.id, details: view })
        return view
      }),
    )
    reply.header('location', `/api/v1/views/${(answer.body as { id: string }).id}`)
    return sendCreated(reply, answer)
  })

  app.get('/views/:id', { schema: { summary: 'A view', tags, params: uuidParams, response: { 200: viewSchema } } }, async (request) => {
    const tenant = tenantOf(request)
    const view = await inOrganization(database.app, tenant.organization_id, (tx) => findView(tx, tenant, request.params.id))
    if (!view) throw notFound('view')
    return view
  })

  app.patch('/views/:id', { schema: { summary: 'Change a view', tags, params: uuidParams, body: edit, response: { 200: viewSchema } } }, (request) => {
    const tenant = tenantOf(request)
    return inOrganization(database.app, tenant.organization_id, async (tx) => {
      const before = await findOwn(tx, tenant, request.params.id)
      const wanted = { ...before, ...request.body }
      const view = await updateView(tx, before.id, { ...wanted, shared_with: [...new Set(wanted.shared_with)] })
      await note(tx, request, { action: 'view.update', entity_type: 'view', entity_id: view.id, details: { from: before, to: view } })
      return view
    })
  })

  app.delete('/views/:id', { schema: { summary: 'Delete a view', tags, params: uuidParams, response: { 204: z.void() } } }, async (request, reply) => {
    const tenant = tenantOf(request)
    await inOrganization(database.app, tenant.organization_id, async (tx) => {
      const view = await findOwn(tx, tenant, request.params.id)
      await deleteView(tx, view.id)
      await note(tx, request, { action: 'view.delete', entity_type: 'view', entity_id: view.id })
    })
    return reply.code(204).send()
  })
}

/** A view that the tenant may change, locked: an own one, or for managers and admins any that is shared with them. */
async function findOwn(tx: DatabaseTransactionConnection, tenant: Tenant, id: string): Promise<ViewRow> {
  await lockRow(tx, 'ticket_views', id)
  const view = await findView(tx, tenant, id)
  if (!view) throw notFound('view')
  if (view.owner_id !== tenant.user_id && tenant.role === 'agent') throw refusal(403, "This view is somebody else's.")
  return view
}
