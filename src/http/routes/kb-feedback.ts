import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { findArticle } from '#db/kb-articles.ts'
import { feedbackRow, listFeedback, upsertFeedback } from '#db/kb-feedback.ts'
import { inOrganization } from '#db/pool.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { isStaff } from '../ticket-view.ts'

const COMMENT_CHARS = 2_000

const feedback = z.strictObject({ is_helpful: z.boolean(), comment: z.string().max(COMMENT_CHARS).regex(/\S/, 'must say something').nullable().default(null) })
const feedbackSchema = feedbackRow.meta({ id: 'KbFeedback' })
const feedbackQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.int(), z.guid()])) })

export const kbFeedbackRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['knowledge base']

  app.post(
    '/kb/articles/:id/feedback',
    {
      schema: {
        summary: 'Say whether an article helped; said again, it takes the place of what was said before',
        tags,
        params: uuidParams,
        body: feedback,
        response: { 201: feedbackSchema },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
        once(tx, request, tenant, async () => {
          const article = await findArticle(tx, { internal: isStaff(tenant) }, request.params.id)
          if (!article) throw notFound('article')
          const said = await upsertFeedback(tx, { ...request.body, article_id: article.id, user_id: tenant.user_id, article_version: article.version })
          const details = { is_helpful: said.is_helpful, version: said.article_version }
          await note(tx, request, { action: 'kb_article.feedback', entity_type: 'kb_article', entity_id: article.id, details })
          return said
        }),
      )
      return sendCreated(reply, answer)
    },
  )

  app.get(
    '/kb/articles/:id/feedback',
    {
      schema: {
        summary: 'What readers said of an article, the newest first',
        tags,
        params: uuidParams,
        querystring: feedbackQuery,
        response: { 200: pageOf(feedbackSchema) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query
      const after = cursor ? { at_us: cursor[0], user_id: cursor[1] } : null
      const rows = await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        if (!(await findArticle(tx, { internal: true }, request.params.id))) throw notFound('article')
        return listFeedback(tx, request.params.id, { after, limit: limit + 1 })
      })
      return toPage(
        rows,
        limit,
        ({ at_us: _at, ...said }) => said,
        (row) => [row.at_us, row.user_id],
      )
    },
  )
}
