import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { LIMITS } from '#config.ts'
import { insertAudit } from '#db/audit.ts'
import { askToDrain, listWorkers, workerRow } from '#db/workers-list.ts'
import { notFound, refusal } from '../refusal.ts'
import { identityOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, noBody, numberParams } from '../shapes.ts'

const worker = workerRow.meta({ id: 'Worker' })

/** The workers: how each stands, and an operator's wish that one ends. The wish stands in its row, where it reads it with its next heartbeat. */
export const workerRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['engine']

  app.get('/workers', { schema: { summary: 'Workers, with their living actors', tags, response: { 200: listOf(worker) } } }, async (request) => {
    const rows = await listWorkers(database.system, LIMITS.PAGE_MAX)
    // The actors of a worker serve the jobs of all organisations.
    const isOperator = identityOf(request).organization_id === null
    return { items: rows.map((row) => (isOperator ? row : { ...row, actor_tree: null })) }
  })

  app.post(
    '/workers/:id/drain',
    {
      schema: {
        summary: 'Ask a worker to claim no more, finish what it holds within its drain time, and end',
        tags,
        params: numberParams,
        body: noBody,
        response: { 202: worker },
      },
    },
    async (request, reply) => {
      const { id } = request.params
      const { user_id } = identityOf(request)
      const asked = await database.system.transaction(async (tx) => {
        const answer = await askToDrain(tx, id)
        if (answer.kind === 'unknown') throw notFound('worker')
        if (answer.kind === 'ended') {
          throw refusal(409, `This worker has ended: it is ${answer.status}. There is nothing left to drain.`, {
            type: 'urn:atum-desk:problem:worker-ended',
            members: { state: answer.status },
          })
        }
        if (answer.is_new) {
          const subject = { entity_type: 'worker', entity_id: String(id) }
          await insertAudit(tx, { organization_id: null, actor_id: user_id, action: 'worker.drain', ...subject, request_id: request.id })
        }
        return answer.worker
      })
      return reply.code(202).send(asked)
    },
  )
}
