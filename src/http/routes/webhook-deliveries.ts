import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { deliveryRow, findDelivery, listAttempts, listDeliveries, resumeDelivery } from '#db/deliveries.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { inOrganization } from '#db/pool.ts'
import { findEndpoint, lockEndpoint } from '#db/webhooks.ts'
import { enqueueDeliveries, WEBHOOK_QUEUE, webhookJob } from '#jobs/webhook-job.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { noBody, uuidParams } from '../shapes.ts'
import { deliveryDetail, deliverySchema } from '../webhook-shapes.ts'

const ATTEMPTS_SHOWN = 100

const deliveryParams = z.strictObject({ id: z.guid(), delivery_id: z.guid() })
const deliveryQuery = z.strictObject({
  status: deliveryRow.shape.status.optional(),
  event_type: z
    .string()
    .max(100)
    .regex(/^[a-z_]+\.[a-z_]+$/, 'must be a type of event')
    .optional(),
  limit: limitQuery,
  cursor: cursorOf(z.tuple([z.int(), z.guid()])),
})

/** What was sent to a webhook, what came of it, and sending it again. */
export const webhookDeliveryRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['push']

  app.get(
    '/webhooks/:id/deliveries',
    {
      schema: {
        summary: 'Deliveries to a webhook, the newest first; they are kept for 30 days',
        tags,
        params: uuidParams,
        querystring: deliveryQuery,
        response: { 200: pageOf(deliverySchema) },
      },
    },
    async (request) => {
      const { limit, cursor, status = null, event_type = null } = request.query
      const after = cursor ? { at_us: cursor[0], id: cursor[1] } : null
      const { id } = request.params
      const rows = await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        if (!(await findEndpoint(tx, id))) throw notFound('webhook')
        return listDeliveries(tx, id, { status, event_type }, { after, limit: limit + 1 })
      })
      return toPage(
        rows,
        limit,
        ({ at_us: _at, ...delivery }) => delivery,
        (row) => [row.at_us, row.id],
      )
    },
  )

  app.get(
    '/webhooks/:id/deliveries/:delivery_id',
    { schema: { summary: 'A delivery: what was sent, and how each attempt ended', tags, params: deliveryParams, response: { 200: deliveryDetail } } },
    (request) => {
      const { id, delivery_id } = request.params
      return inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        const delivery = await findDelivery(tx, id, delivery_id)
        if (!delivery) throw notFound('delivery')
        return { ...delivery, attempts: [...(await listAttempts(tx, delivery_id, ATTEMPTS_SHOWN))] }
      })
    },
  )

  app.post(
    '/webhooks/:id/deliveries/:delivery_id/replay',
    {
      schema: {
        summary: 'Send a delivery that has ended again, with the same webhook-id',
        tags,
        params: deliveryParams,
        body: noBody,
        response: { 202: deliverySchema },
      },
    },
    async (request, reply) => {
      const { organization_id } = tenantOf(request)
      const { id, delivery_id } = request.params
      const delivery = await inOrganization(database.app, organization_id, async (tx) => {
        const endpoint = await lockEndpoint(tx, id)
        const known = endpoint && (await findDelivery(tx, id, delivery_id))
        if (!known) throw notFound('delivery')
        if (!endpoint.is_active) throw refusal(409, 'The webhook is switched off: switch it on first.')
        if (known.status === 'pending') throw refusal(409, 'The delivery is under way already.')
        const [job] = await enqueueJobs(tx, [webhookJob(organization_id, { id: delivery_id, endpoint_id: id })])
        await resumeDelivery(tx, delivery_id, job!)
        await note(tx, request, { action: 'webhook.replay', entity_type: 'webhook', entity_id: id, details: { delivery_id, event_id: known.event_id } })
        return (await findDelivery(tx, id, delivery_id))!
      })
      notifier.notify(WEBHOOK_QUEUE)
      return reply.code(202).send(delivery)
    },
  )

  app.post(
    '/webhooks/:id/test',
    {
      schema: { summary: 'Send a webhook.test to a webhook, whatever it asks for', tags, params: uuidParams, body: noBody, response: { 201: deliverySchema } },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const { id } = request.params
      const answer = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        const endpoint = await findEndpoint(tx, id)
        if (!endpoint) throw notFound('webhook')
        return once(tx, request, tenant, async () => {
          if (!endpoint.is_active) throw refusal(409, 'The webhook is switched off: switch it on first.')
          const delivery = {
            id: randomUUID(),
            endpoint_id: id,
            event_id: null,
            message_id: `test_${randomUUID()}`,
            event_type: 'webhook.test',
            payload: { asked_by: tenant.user_id },
            happened_at: new Date(),
          }
          await enqueueDeliveries(tx, tenant.organization_id, [delivery])
          return (await findDelivery(tx, id, delivery.id))!
        })
      })
      notifier.notify(WEBHOOK_QUEUE)
      return sendCreated(reply, answer)
    },
  )
}
