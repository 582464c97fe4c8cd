import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { lockRow } from '#db/row-lock.ts'
import { clearDefaultPolicy, deletePolicy, findCalendar, findPolicy, insertPolicy, listPolicies, updatePolicy } from '#db/sla-policies.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { previewSchema, previewTerms } from '../sla-preview.ts'
import { replanClocks } from '../sla-replan.ts'
import { checkRules, newPolicy, policyEdit, policySchema } from '../sla-shapes.ts'

const nameQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.string()])) })

export const slaPolicyRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['SLA']

  app.get(
    '/sla/policies',
    { schema: { summary: 'Policies, by name', tags, querystring: nameQuery, response: { 200: pageOf(policySchema) } } },
    async (request) => {
      const { limit, cursor } = request.query
      const rows = await inOrganization(database.app, tenantOf(request).organization_id, (tx) =>
        listPolicies(tx, { after: cursor?.[0] ?? null, limit: limit + 1 }),
      )
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.name],
      )
    },
  )

  app.post(
    '/sla/policies',
    { schema: { summary: 'Write a policy; 422 names what no clock can count by', tags, body: newPolicy, response: { 201: policySchema } } },
    async (request, reply) => {
      const tenant = tenantOf(request)
      let queues: string[] = []
      const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
        once(tx, request, tenant, async () => {
          const wanted = { ...request.body, ...checkRules(request.body) }
          if (wanted.is_default) await clearDefaultPolicy(tx)
          const policy = await insertPolicy(tx, wanted)
          await note(tx, request, { action: 'sla_policy.create', entity_type: 'sla_policy', entity_id: policy.id, details: policy })
          queues = await replanClocks(tx, tenant.organization_id)
          return policy
        }),
      )
      notifier.notify(...queues)
      reply.header('location', `/api/v1/sla/policies/${(answer.body as { id: string }).id}`)
      return sendCreated(reply, answer)
    },
  )

  app.get('/sla/policies/:id', { schema: { summary: 'A policy', tags, params: uuidParams, response: { 200: policySchema } } }, async (request) => {
    const policy = await inOrganization(database.app, tenantOf(request).organization_id, (tx) => findPolicy(tx, request.params.id))
    if (!policy) throw notFound('policy')
    return policy
  })

  app.patch(
    '/sla/policies/:id',
    { schema: { summary: 'Change a policy: open clocks are planned anew', tags, params: uuidParams, body: policyEdit, response: { 200: policySchema } } },
    async (request) => {
      const { organization_id } = tenantOf(request)
      const { policy, queues } = await inOrganization(database.app, organization_id, async (tx) => {
        await lockRow(tx, 'sla_policies', request.params.id)
        const before = await findPolicy(tx, request.params.id)
        if (!before) throw notFound('policy')
        const wanted = { ...before, ...request.body }
        if (wanted.is_default && !before.is_default) await clearDefaultPolicy(tx)
        const policy = await updatePolicy(tx, before.id, { ...wanted, ...checkRules(wanted) })
        await note(tx, request, { action: 'sla_policy.update', entity_type: 'sla_policy', entity_id: policy.id, details: { from: before, to: policy } })
        return { policy, queues: await replanClocks(tx, organization_id) }
      })
      notifier.notify(...queues)
      return policy
    },
  )

  app.post(
    '/sla/policies/:id/preview',
    {
      schema: {
        summary: 'What a change of a policy would do to the clocks that are open; nothing is changed',
        tags,
        params: uuidParams,
        body: policyEdit,
        response: { 200: previewSchema },
      },
    },
    (request) =>
      inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        const before = await findPolicy(tx, request.params.id)
        if (!before) throw notFound('policy')
        const wanted = { ...before, ...request.body }
        const calendar = wanted.calendar_id === null ? null : await findCalendar(tx, wanted.calendar_id)
        if (wanted.calendar_id !== null && !calendar) throw notFound('calendar')
        return previewTerms(tx, [before.id], () => ({ ...wanted, ...checkRules(wanted), calendar: calendar?.definition ?? null }))
      }),
  )

  app.delete(
    '/sla/policies/:id',
    { schema: { summary: 'Delete a policy under which no ticket stands', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const { id } = request.params
      await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
        await lockRow(tx, 'sla_policies', id)
        if (!(await findPolicy(tx, id))) throw notFound('policy')
        if ((await deletePolicy(tx, id)) === 0) throw refusal(409, 'Tickets stand under this policy.')
        await note(tx, request, { action: 'sla_policy.delete', entity_type: 'sla_policy', entity_id: id })
      })
      return reply.code(204).send()
    },
  )
}
