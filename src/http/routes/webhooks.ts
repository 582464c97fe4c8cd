import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { deleteEndpoint, findEndpoint, insertEndpoint, listEndpoints, lockEndpoint, rotateSecret, updateEndpoint } from '#db/webhooks.ts'
import type { EndpointRow } from '#db/webhooks.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, uuidParams } from '../shapes.ts'
import { endpointEdit, endpointSchema, endpointWithSecret, newEndpoint, newSecret, OVERLAP_MAX_HOURS } from '../webhook-shapes.ts'

const ENDPOINTS_MAX = 50
const OVERLAP_HOURS = 24

const rotation = z
  .strictObject({ overlap_hours: z.int().min(0).max(OVERLAP_MAX_HOURS).describe('How long the old secret signs as well').default(OVERLAP_HOURS) })
  .nullish()

export const webhookRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['push']

  app.get('/webhooks', { schema: { summary: 'Webhooks, the oldest first', tags, response: { 200: listOf(endpointSchema) } } }, async (request) => ({
    items: [...(await inOrganization(database.app, tenantOf(request).organization_id, listEndpoints))],
  }))

  app.post(
    '/webhooks',
    {
      schema: {
        summary: 'Hear of events by signed POSTs (Standard Webhooks); its secret is shown this once',
        description: 'Each event is delivered at least once, with back-off over about a day, in no order; repetitions carry the same webhook-id.',
        tags,
        body: newEndpoint,
        response: { 201: endpointWithSecret },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
        once(tx, request, tenant, async () => {
          if ((await listEndpoints(tx)).length >= ENDPOINTS_MAX) throw refusal(409, `An organisation has at most ${ENDPOINTS_MAX} webhooks.`)
          const secret = newSecret()
          const endpoint = await insertEndpoint(tx, { ...request.body, secret })
          const { id, url, event_types, condition, is_active } = endpoint
          await note(tx, request, { action: 'webhook.create', entity_type: 'webhook', entity_id: id, details: { url, event_types, condition, is_active } })
          return { ...endpoint, secret }
        }),
      )
      reply.header('location', `/api/v1/webhooks/${(answer.body as { id: string }).id}`)
      return sendCreated(reply, answer)
    },
  )

  app.get('/webhooks/:id', { schema: { summary: 'A webhook', tags, params: uuidParams, response: { 200: endpointSchema } } }, (request) =>
    inOrganization(database.app, tenantOf(request).organization_id, async (tx) => (await findEndpoint(tx, request.params.id)) ?? raiseNotFound()),
  )

  app.patch(
    '/webhooks/:id',
    {
      schema: {
        summary: 'Change a webhook, or switch it off and on; switched on it hears of what happens from then on',
        tags,
        params: uuidParams,
        body: endpointEdit,
        response: { 200: endpointSchema },
      },
    },
    (request) =>
      inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        const before = await locked(tx, request.params.id)
        const after = await updateEndpoint(tx, before.id, { ...before, ...request.body })
        const details = Object.fromEntries(
          (['url', 'description', 'event_types', 'condition', 'is_active'] as const)
            .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
            .map((name) => [name, { from: before[name], to: after[name] }]),
        )
        await note(tx, request, { action: 'webhook.update', entity_type: 'webhook', entity_id: after.id, details })
        return after
      }),
  )

  app.delete(
    '/webhooks/:id',
    { schema: { summary: 'Delete a webhook and its log', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        const { id, url } = await locked(tx, request.params.id)
        await deleteEndpoint(tx, id)
        await note(tx, request, { action: 'webhook.delete', entity_type: 'webhook', entity_id: id, details: { url } })
      })
      return reply.code(204).send()
    },
  )

  app.post(
    '/webhooks/:id/rotate-secret',
    {
      schema: {
        summary: 'A new secret, shown this once; the old one signs as well for a while',
        tags,
        params: uuidParams,
        body: rotation,
        response: { 200: endpointWithSecret },
      },
    },
    (request) =>
      inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        const { id } = await locked(tx, request.params.id)
        const secret = newSecret()
        const overlap_hours = request.body?.overlap_hours ?? OVERLAP_HOURS
        const endpoint = await rotateSecret(tx, id, secret, overlap_hours)
        await note(tx, request, { action: 'webhook.rotate_secret', entity_type: 'webhook', entity_id: id, details: { overlap_hours } })
        return { ...endpoint, secret }
      }),
  )
}

async function locked(tx: DatabaseTransactionConnection, id: string): Promise<EndpointRow> {
  return (await lockEndpoint(tx, id)) ?? raiseNotFound()
}

function raiseNotFound(): never {
  throw notFound('webhook')
}
