import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { findArticle, findArticleBySlug, findArticleVersion, insertArticle, listArticles, listArticleVersions } from '#db/kb-articles.ts'
import { inOrganization } from '#db/pool.ts'
import { etagOf, isKnown } from '../etag.ts'
import { once, sendCreated } from '../idempotency.ts'
import { articleQuery, articleSchema, listedArticle, listedVersion, newArticle, slug, versionParams, versionQuery, versionSchema } from '../kb-shapes.ts'
import { note } from '../note.ts'
import { pageOf, toPage } from '../paging.ts'
import { notFound } from '../refusal.ts'
import { requireFreeSlug } from '../kb-slugs.ts'
import { reindexArticles } from '../reindex.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { isStaff } from '../ticket-view.ts'

const SLUG_CHARS = 80

/** What is read of articles, and how one begins. */
export const kbArticleRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['knowledge base']

  app.get(
    '/kb/articles',
    {
      schema: {
        summary: 'Articles, the newest first; customers see published public ones',
        tags,
        querystring: articleQuery,
        response: { 200: pageOf(listedArticle) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { limit, cursor, category_id = null, is_published, q = null } = request.query
      const filter = { category_id, q, is_published: is_published === undefined ? null : is_published === 'true' }
      const after = cursor ? { at_us: cursor[0], id: cursor[1] } : null
      const rows = await inOrganization(database.app, tenant.organization_id, (tx) =>
        listArticles(tx, { internal: isStaff(tenant) }, filter, { after, limit: limit + 1 }),
      )
      return toPage(
        rows,
        limit,
        ({ at_us: _at, ...article }) => article,
        (row) => [row.at_us, row.id],
      )
    },
  )

  app.post('/kb/articles', { schema: { summary: 'Write an article', tags, body: newArticle, response: { 201: articleSchema } } }, async (request, reply) => {
    const tenant = tenantOf(request)
    let queues: string[] = []
    const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
      once(tx, request, tenant, async () => {
        if (request.body.slug) await requireFreeSlug(tx, request.body.slug, null)
        const article = await insertArticle(tx, { ...request.body, slug: request.body.slug ?? slugOf(request.body.title), author_id: tenant.user_id })
        const { id, title, is_internal, is_published } = article
        await note(tx, request, { action: 'kb_article.create', entity_type: 'kb_article', entity_id: id, details: { title, is_internal, is_published } })
        queues = await reindexArticles(tx, tenant.organization_id, [id])
        return article
      }),
    )
    notifier.notify(...queues)
    const { id, version } = answer.body as { id: string; version: number }
    reply.headers({ location: `/api/v1/kb/articles/${id}`, etag: etagOf({ version }) })
    return sendCreated(reply, answer)
  })

  app.get(
    '/kb/articles/:id',
    {
      schema: {
        summary: 'An article; 304 to If-None-Match where nobody changed it',
        tags,
        params: uuidParams,
        response: { 200: articleSchema, 304: z.void() },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const article = await inOrganization(database.app, tenant.organization_id, (tx) => findArticle(tx, { internal: isStaff(tenant) }, request.params.id))
      if (!article) throw notFound('article')
      reply.header('etag', etagOf(article))
      return isKnown(request, article) ? reply.code(304).send() : article
    },
  )

  app.get(
    '/kb/articles/by-slug/:slug',
    {
      schema: {
        summary: 'The article of a slug; one that it had before redirects to the one that it has',
        tags,
        params: z.strictObject({ slug }),
        response: { 200: articleSchema, 308: z.void() },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const article = await inOrganization(database.app, tenant.organization_id, (tx) =>
        findArticleBySlug(tx, { internal: isStaff(tenant) }, request.params.slug),
      )
      if (!article) throw notFound('article')
      if (article.slug !== request.params.slug) return reply.code(308).header('location', `/api/v1/kb/articles/by-slug/${article.slug}`).send()
      reply.header('etag', etagOf(article))
      return article
    },
  )

  app.get(
    '/kb/articles/:id/versions',
    {
      schema: {
        summary: 'The texts that an article had, the newest first',
        tags,
        params: uuidParams,
        querystring: versionQuery,
        response: { 200: pageOf(listedVersion) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query
      const { id } = request.params
      const rows = await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        if (!(await findArticle(tx, { internal: true }, id))) throw notFound('article')
        return listArticleVersions(tx, id, { before: cursor?.[0] ?? null, limit: limit + 1 })
      })
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.version],
      )
    },
  )

  app.get(
    '/kb/articles/:id/versions/:version',
    { schema: { summary: 'A text that an article had', tags, params: versionParams, response: { 200: versionSchema } } },
    async (request) => {
      const { id, version } = request.params
      const found = await inOrganization(database.app, tenantOf(request).organization_id, (tx) => findArticleVersion(tx, id, version))
      if (!found) throw notFound('version')
      return found
    },
  )
}

/** Words of the title for people, and a few random letters, so that no two articles share a slug. */
function slugOf(title: string): string {
  const words = title
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, SLUG_CHARS)
  return [words.replaceAll(/^-|-$/g, ''), randomUUID().slice(0, 8)].filter(Boolean).join('-')
}
