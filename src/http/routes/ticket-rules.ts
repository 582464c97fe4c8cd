import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { findGroup } from '#db/agent-groups.ts'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { lockRow } from '#db/row-lock.ts'
import { findService } from '#db/services.ts'
import { conditionSchema } from '#db/ticket-condition.ts'
import { newestIds } from '#db/ticket-list.ts'
import { countRules, deleteRule, findRule, insertRule, listRules, RULE_EVENTS, ruleActions, ruleRow, updateRule } from '#db/ticket-rules.ts'
import type { RuleAction } from '#db/ticket-rules.ts'
import { findPerson } from '#db/users.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { simulateRule } from '../rule-simulation.ts'
import type { Simulated } from '../rule-simulation.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { RULES_MAX } from '../ticket-rules.ts'
import { isStaffRole } from '../ticket-view.ts'

const NAME_CHARS = 200
const POSITION_MAX = 1_000_000
const SIMULATED_MAX = 200

const name = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
const position = z
  .int()
  .min(0)
  .max(POSITION_MAX)
  .describe('Rules run in this order, those of one position as they were made, each on what the ones before it left')
const events = z
  .array(z.enum(RULE_EVENTS))
  .min(1)
  .refine((given) => new Set(given).size === given.length, 'names one twice')
  .describe(
    'What it waits for. What people do has rules run in the transaction in which they do it; what jobs and clocks do (a triage that is written, a raised priority, a warning, breach or escalation), a moment after. What a rule does is no event for rules.',
  )
const newRule = z.strictObject({
  name,
  is_active: z.boolean().default(true),
  position: position.default(0),
  events: events.default(['created']),
  condition: conditionSchema,
  actions: ruleActions,
})
const edit = z.strictObject({ name, is_active: z.boolean(), position, events, condition: conditionSchema, actions: ruleActions }).partial()
const ruleQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.int(), z.int(), z.guid()])) })
const ruleSchema = ruleRow.meta({ id: 'TicketRule' })

const trial = z.strictObject({
  condition: conditionSchema,
  actions: ruleActions,
  limit: z.int().min(1).max(SIMULATED_MAX).describe('How many of the newest tickets').default(50),
})
const outcome = z.object({ type: z.string(), outcome: z.enum(['changed', 'unchanged', 'refused']), detail: z.string().nullable() })
const change = z.object({ from: z.unknown(), to: z.unknown() })
const simulation = z
  .object({
    examined: z.number(),
    matched: z.number(),
    items: z.array(
      z.object({ ticket_id: z.string(), number: z.number(), subject: z.string(), changes: z.record(z.string(), change), actions: z.array(outcome) }),
    ),
  })
  .meta({ id: 'RuleSimulation' })

export const ticketRuleRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['rules']

  app.get(
    '/rules',
    { schema: { summary: 'Rules, in the order in which they run', tags, querystring: ruleQuery, response: { 200: pageOf(ruleSchema) } } },
    async (request) => {
      const { limit, cursor } = request.query
      const after = cursor ? { position: cursor[0], at_us: cursor[1], id: cursor[2] } : null
      const rows = await inOrganization(database.app, tenantOf(request).organization_id, (tx) => listRules(tx, { after, limit: limit + 1 }))
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.position, row.at_us, row.id],
      )
    },
  )

  app.post('/rules', { schema: { summary: 'Make a rule', tags, body: newRule, response: { 201: ruleSchema } } }, async (request, reply) => {
    const tenant = tenantOf(request)
    const answer = await inOrganization(database.app, tenant.organization_id, (tx) =>
      once(tx, request, tenant, async () => {
        if ((await countRules(tx)) >= RULES_MAX) throw refusal(409, `An organisation has at most ${RULES_MAX} rules.`)
        await requireTargets(tx, request.body.actions)
        const rule = await insertRule(tx, request.body)
        await note(tx, request, { action: 'rule.create', entity_type: 'rule', entity_id: rule.id, details: rule })
        return rule
      }),
    )
    reply.header('location', `/api/v1/rules/${(answer.body as { id: string }).id}`)
    return sendCreated(reply, answer)
  })

  app.post(
    '/rules/simulate',
    {
      schema: {
        summary: 'What a rule would do to the newest tickets as they stand, each by itself: it is run on them, and undone',
        tags,
        body: trial,
        response: { 200: simulation },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { limit, ...wanted } = request.body
      const author = { ...tenant, request_id: request.id }
      return inOrganization(database.app, tenant.organization_id, async (tx) => {
        await requireTargets(tx, wanted.actions)
        const ids = await newestIds(tx, limit)
        const items: Simulated[] = []
        for (const id of ids) {
          const simulated = await simulateRule(tx, author, id, { id: randomUUID(), name: 'simulation', ...wanted })
          if (simulated) items.push(simulated)
        }
        return { examined: ids.length, matched: items.length, items }
      })
    },
  )

  app.get('/rules/:id', { schema: { summary: 'A rule', tags, params: uuidParams, response: { 200: ruleSchema } } }, async (request) => {
    const rule = await inOrganization(database.app, tenantOf(request).organization_id, (tx) => findRule(tx, request.params.id))
    if (!rule) throw notFound('rule')
    return rule
  })

  app.patch('/rules/:id', { schema: { summary: 'Change a rule', tags, params: uuidParams, body: edit, response: { 200: ruleSchema } } }, (request) =>
    inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
      await lockRow(tx, 'ticket_rules', request.params.id)
      const before = await findRule(tx, request.params.id)
      if (!before) throw notFound('rule')
      if (request.body.actions) await requireTargets(tx, request.body.actions)
      const rule = await updateRule(tx, before.id, { ...before, ...request.body })
      await note(tx, request, { action: 'rule.update', entity_type: 'rule', entity_id: rule.id, details: { from: before, to: rule } })
      return rule
    }),
  )

  app.delete('/rules/:id', { schema: { summary: 'Delete a rule', tags, params: uuidParams, response: { 204: z.void() } } }, async (request, reply) => {
    const { id } = request.params
    await inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
      await lockRow(tx, 'ticket_rules', id)
      if (!(await findRule(tx, id))) throw notFound('rule')
      await deleteRule(tx, id)
      await note(tx, request, { action: 'rule.delete', entity_type: 'rule', entity_id: id })
    })
    return reply.code(204).send()
  })
}

/** @throws a refusal with 422 that names the actions whose people, service or group the organisation does not have */
async function requireTargets(tx: DatabaseTransactionConnection, actions: readonly RuleAction[]): Promise<void> {
  for (const [index, action] of actions.entries()) {
    const missing = await missingTarget(tx, action)
    if (!missing) continue
    throw refusal(422, 'An action speaks of something that does not exist.', {
      errors: [{ location: 'body', path: `actions.${index}.${missing}`, message: 'does not exist' }],
    })
  }
}

async function missingTarget(tx: DatabaseTransactionConnection, action: RuleAction): Promise<string | null> {
  switch (action.type) {
    case 'set_service':
      return action.service_id === null || (await findService(tx, { inactive: false }, action.service_id)) ? null : 'service_id'
    case 'assign': {
      const user = action.assignee_id === null ? null : await findPerson(tx, action.assignee_id)
      return action.assignee_id === null || (user?.is_active && isStaffRole(user.role)) ? null : 'assignee_id'
    }
    case 'assign_group':
      return (await findGroup(tx, action.group_id)) ? null : 'group_id'
    case 'notify':
      return action.to === 'requester' || action.to === 'assignee' || (await findPerson(tx, action.to)) ? null : 'to'
    default:
      return null
  }
}
