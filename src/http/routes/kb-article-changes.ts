import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { deleteArticle, lockArticle, updateArticle } from '#db/kb-articles.ts'
import type { ArticleFields, ArticleRow } from '#db/kb-articles.ts'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { etagOf, requireMatch } from '../etag.ts'
import { articleEdit, articleSchema } from '../kb-shapes.ts'
import { requireFreeSlug } from '../kb-slugs.ts'
import { note } from '../note.ts'
import { notFound } from '../refusal.ts'
import { reindexArticles } from '../reindex.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { noBody, uuidParams } from '../shapes.ts'

const COMPARED = ['slug', 'title', 'content', 'category_id', 'is_internal', 'is_published'] as const

/** What is done to articles that are there; each change is held to the version that was read, and indexed anew. */
export const kbArticleChangeRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['knowledge base']
  const response = { 200: articleSchema }

  async function onLocked<T>(request: FastifyRequest, id: string, work: (tx: DatabaseTransactionConnection, article: ArticleRow) => Promise<T>): Promise<T> {
    return inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
      const article = await lockArticle(tx, id)
      if (!article) throw notFound('article')
      requireMatch(request, article)
      return work(tx, article)
    })
  }

  async function change(request: FastifyRequest, reply: FastifyReply, id: string, action: string, wanted: Partial<ArticleFields>): Promise<ArticleRow> {
    const { article, queues } = await onLocked(request, id, async (tx, before) => {
      const fields = { ...before, ...wanted }
      const changed = COMPARED.filter((name) => before[name] !== fields[name])
      if (changed.length === 0) return { article: before, queues: [] }
      if (fields.slug !== before.slug) await requireFreeSlug(tx, fields.slug, id)
      const article = await updateArticle(tx, id, fields)
      await note(tx, request, { action, entity_type: 'kb_article', entity_id: id, details: { changed, version: article.version } })
      return { article, queues: await reindexArticles(tx, tenantOf(request).organization_id, [id]) }
    })
    notifier.notify(...queues)
    reply.header('etag', etagOf(article))
    return article
  }

  app.patch(
    '/kb/articles/:id',
    { schema: { summary: 'Change an article; 412 where If-Match names an older version', tags, params: uuidParams, body: articleEdit, response } },
    (request, reply) => change(request, reply, request.params.id, 'kb_article.update', request.body),
  )

  app.post('/kb/articles/:id/publish', { schema: { summary: 'Publish an article', tags, params: uuidParams, body: noBody, response } }, (request, reply) =>
    change(request, reply, request.params.id, 'kb_article.publish', { is_published: true }),
  )

  app.post('/kb/articles/:id/unpublish', { schema: { summary: 'Withdraw an article', tags, params: uuidParams, body: noBody, response } }, (request, reply) =>
    change(request, reply, request.params.id, 'kb_article.unpublish', { is_published: false }),
  )

  app.delete(
    '/kb/articles/:id',
    { schema: { summary: 'Delete an article with all its versions', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const { id } = request.params
      const queues = await onLocked(request, id, async (tx, { title, version }) => {
        await deleteArticle(tx, id)
        await note(tx, request, { action: 'kb_article.delete', entity_type: 'kb_article', entity_id: id, details: { title, version } })
        return reindexArticles(tx, tenantOf(request).organization_id, [id])
      })
      notifier.notify(...queues)
      return reply.code(204).send()
    },
  )
}
