import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { categoryRow, deleteCategory, findCategory, insertCategory, listCategories, publishedOfCategory, updateCategory } from '#db/kb-categories.ts'
import { inOrganization } from '#db/pool.ts'
import { lockRow } from '#db/row-lock.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { reindexArticles } from '../reindex.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { isStaff } from '../ticket-view.ts'

const NAME_CHARS = 200
const DESCRIPTION_CHARS = 5_000
const POSITION_MAX = 1_000_000
const STAFF_EYES = { internal: true }

const name = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
const text = z.string().max(DESCRIPTION_CHARS)
const position = z.int().min(0).max(POSITION_MAX)
const newCategory = z.strictObject({
  name,
  description: text.default(''),
  is_internal: z.boolean().describe('Hides its articles from customers').default(false),
  position: position.default(0),
})
const edit = z.strictObject({ name, description: text, is_internal: z.boolean(), position }).partial()
const categoryQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.int(), z.string()])) })
const categorySchema = categoryRow.meta({ id: 'KbCategory' })

export const kbCategoryRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['knowledge base']

  app.get(
    '/kb/categories',
    { schema: { summary: 'Categories in their order', tags, querystring: categoryQuery, response: { 200: pageOf(categorySchema) } } },
    async (request) => {
      const tenant = tenantOf(request)
      const { limit, cursor } = request.query
      const after = cursor ? { position: cursor[0], name: cursor[1] } : null
      const rows = await inOrganization(database.app, tenant.organization_id, (tx) =>
        listCategories(tx, { internal: isStaff(tenant) }, { after, limit: limit + 1 }),
      )
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.position, row.name],
      )
    },
  )

  app.post('/kb/categories', { schema: { summary: 'Make a category', tags, body: newCategory, response: { 201: categorySchema } } }, async (request, reply) => {
    const tenant = tenantOf(request)
    const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
      once(tx, request, tenant, async () => {
        const category = await insertCategory(tx, request.body)
        await note(tx, request, { action: 'kb_category.create', entity_type: 'kb_category', entity_id: category.id, details: category })
        return category
      }),
    )
    reply.header('location', `/api/v1/kb/categories/${(answer.body as { id: string }).id}`)
    return sendCreated(reply, answer)
  })

  app.get('/kb/categories/:id', { schema: { summary: 'A category', tags, params: uuidParams, response: { 200: categorySchema } } }, async (request) => {
    const tenant = tenantOf(request)
    const category = await inOrganization(database.app, tenant.organization_id, (tx) => findCategory(tx, { internal: isStaff(tenant) }, request.params.id))
    if (!category) throw notFound('category')
    return category
  })

  app.patch(
    '/kb/categories/:id',
    { schema: { summary: 'Change a category, and with it who sees its articles', tags, params: uuidParams, body: edit, response: { 200: categorySchema } } },
    async (request) => {
      const { organization_id } = tenantOf(request)
      const { category, queues } = await inOrganization(database.app, organization_id, async (tx) => {
        await lockRow(tx, 'kb_categories', request.params.id)
        const before = await findCategory(tx, STAFF_EYES, request.params.id)
        if (!before) throw notFound('category')
        const category = await updateCategory(tx, before.id, { ...before, ...request.body })
        await note(tx, request, { action: 'kb_category.update', entity_type: 'kb_category', entity_id: category.id, details: { from: before, to: category } })
        const moved = before.is_internal === category.is_internal ? [] : await publishedOfCategory(tx, category.id)
        return { category, queues: await reindexArticles(tx, organization_id, moved) }
      })
      notifier.notify(...queues)
      return category
    },
  )

  app.delete(
    '/kb/categories/:id',
    { schema: { summary: 'Delete a category without articles', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const { id } = request.params
      await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        await lockRow(tx, 'kb_categories', id)
        if (!(await findCategory(tx, STAFF_EYES, id))) throw notFound('category')
        if ((await deleteCategory(tx, id)) === 0) throw refusal(409, 'There are articles in this category.')
        await note(tx, request, { action: 'kb_category.delete', entity_type: 'kb_category', entity_id: id })
      })
      return reply.code(204).send()
    },
  )
}
