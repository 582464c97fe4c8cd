import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { commentRow, listComments } from '#db/comments.ts'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { findTicket, lockTicket } from '#db/tickets.ts'
import type { TicketRow } from '#db/tickets.ts'
import { writeComment } from '../comment-writing.ts'
import { once, sendCreated } from '../idempotency.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { reindexSolved } from '../reindex.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { recheckClocks } from '../sla-replan.ts'
import { moveTicket } from '../ticket-change.ts'
import type { Author } from '../ticket-change.ts'
import { ruleComment } from '../ticket-rules.ts'
import { isStaff, viewerOf } from '../ticket-view.ts'

const newComment = z.strictObject({
  content: z.string().max(LIMITS.DESCRIPTION_CHARS).regex(/\S/, 'must say something'),
  is_internal: z.boolean().describe('For staff: not shown to customers').default(false),
})
const commentQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.int(), z.guid()])) })
const commentSchema = commentRow.meta({ id: 'Comment' })

export const commentRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['tickets']

  app.post(
    '/tickets/:id/comments',
    { schema: { summary: 'Comment on a ticket', tags, params: uuidParams, body: newComment, response: { 201: commentSchema } } },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const { id } = request.params
      if (request.body.is_internal && !isStaff(tenant)) throw refusal(403, 'Only staff may comment internally.')
      let queues: string[] = []
      const answer = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        const ticket = await findTicket(tx, viewerOf(tenant), id)
        if (!ticket) throw notFound('ticket')
        return once(tx, request, tenant, async () => {
          if (!isStaff(tenant)) queues = await hearCustomer(tx, { ...tenant, request_id: request.id }, id)
          const comment = await writeComment(tx, request, { ...request.body, ticket_id: id, author_id: tenant.user_id })
          queues = [...queues, ...(await ruleComment(tx, { ...tenant, request_id: request.id }, id))]
          if (!comment.is_internal) queues = [...queues, ...(await hearWords(tx, tenant.organization_id, ticket))]
          return comment
        })
      })
      notifier.notify(...queues)
      return sendCreated(reply, answer)
    },
  )

  app.get(
    '/tickets/:id/comments',
    {
      schema: {
        summary: 'Comments of a ticket, the oldest first',
        tags,
        params: uuidParams,
        querystring: commentQuery,
        response: { 200: pageOf(commentSchema) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { limit, cursor } = request.query
      const after = cursor ? { at_us: cursor[0], id: cursor[1] } : null
      const rows = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        if (!(await findTicket(tx, viewerOf(tenant), request.params.id))) throw notFound('ticket')
        return listComments(tx, request.params.id, { internal: isStaff(tenant) }, { after, limit: limit + 1 })
      })
      return toPage(
        rows,
        limit,
        ({ at_us: _at, ...comment }) => comment,
        (row) => [row.at_us, row.id],
      )
    },
  )
}

/** A ticket that waits for its customer goes on when the customer says something. @returns the queues of the jobs that this causes */
async function hearCustomer(tx: DatabaseTransactionConnection, author: Author, ticketId: string): Promise<string[]> {
  const ticket = await lockTicket(tx, { user_id: author.user_id, sees: 'all' }, ticketId)
  if (ticket?.status !== 'waiting_customer') return []
  return (await moveTicket(tx, author, ticket, { to: 'in_progress', action: 'ticket.customer_replied' })).queues
}

/** What was said in public: clocks that it ends or begins, and an index that holds it. @returns the queues of the jobs that this causes */
async function hearWords(tx: DatabaseTransactionConnection, organizationId: string, ticket: TicketRow): Promise<string[]> {
  return [...(await recheckClocks(tx, organizationId, ticket)), ...(await reindexSolved(tx, organizationId, [ticket.id]))]
}
