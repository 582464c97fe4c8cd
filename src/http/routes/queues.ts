import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { insertAudit } from '#db/audit.ts'
import { listQueues, lockQueueBounds, setQueueBounds, setQueuePaused } from '#db/queues.ts'
import type { QueueBounds, QueueRow } from '#db/queues.ts'
import { startJobCounting } from '../job-counting.ts'
import { notFound, refusal } from '../refusal.ts'
import { identityOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, noBody } from '../shapes.ts'
import type { Identity } from '../tokens.ts'

const queue = z
  .object({
    name: z.string(),
    paused: z.boolean(),
    concurrency: z.number().nullable().describe('How many of its jobs are held at a time, at most'),
    held: z.number().nullable().describe('How many take up that limit; null without one'),
    rate_limit: z.number().nullable().describe('How many tokens its bucket holds; a claimed job takes one'),
    rate_period_seconds: z
      .number()
      .nullable()
      .describe('In what time an empty bucket fills, evenly: so many are claimed in that time in the long run, and up to twice as many after a pause'),
    rate_tokens: z.number().nullable().describe('How many may be claimed now'),
    max_depth: z.number().describe('While more jobs than this wait, POST /jobs is refused with 503'),
    depth: z.number().describe('Jobs that wait: queued and retried'),
    counts: z.record(z.string(), z.number()),
    oldest_due_seconds: z.number().nullable(),
  })
  .meta({ id: 'Queue' })
const queueParams = z.strictObject({ name: z.string().min(1).max(63) })
const bounds = z
  .strictObject({
    concurrency: z.int().min(1).max(LIMITS.QUEUE_CONCURRENCY_MAX).nullable().optional(),
    rate_limit: z.int().min(1).max(LIMITS.QUEUE_RATE_MAX).nullable().optional(),
    rate_period_seconds: z.int().min(1).max(LIMITS.QUEUE_RATE_PERIOD_MAX_SECONDS).nullable().optional(),
    max_depth: z.int().min(1).max(LIMITS.QUEUE_DEPTH_MAX).optional(),
  })
  .refine((body) => Object.values(body).some((value) => value !== undefined), { message: 'must name a limit' })
  .refine((body) => body.rate_limit !== null || (body.rate_period_seconds ?? null) === null, {
    path: ['rate_period_seconds'],
    message: 'cannot go without a rate',
  })
type Bounds = z.infer<typeof bounds>

/** The queues: how deep they are, what limits them, and an operator's hand on both. */
export const queueRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier, log } }) => {
  const tags = ['engine']
  const counting = startJobCounting(database.system, log)
  app.addHook('onClose', () => counting.stop())

  const readQueues = ({ organization_id }: Identity) => database.system.transaction((tx) => listQueues(tx, organization_id))

  async function readQueue(identity: Identity, name: string): Promise<QueueRow> {
    const found = (await readQueues(identity)).find((row) => row.name === name)
    if (!found) throw notFound('queue')
    return found
  }

  app.get('/queues', { schema: { summary: 'Queues, how deep they are and what limits them', tags, response: { 200: listOf(queue) } } }, async (request) => ({
    items: [...(await readQueues(identityOf(request)))],
  }))

  for (const [verb, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    const schema = {
      summary: paused ? 'Claim no more from a queue' : 'Claim from a queue again',
      tags,
      params: queueParams,
      body: noBody,
      response: { 200: queue },
    }
    app.post(`/queues/:name/${verb}`, { schema }, async (request) => {
      const identity = identityOf(request)
      const { name } = request.params
      await database.system.transaction(async (tx) => {
        if (!(await setQueuePaused(tx, name, paused))) throw notFound('queue')
        await insertAudit(tx, { ...auditOf(request.id, identity, name), action: `queue.${verb}` })
      })
      notifier.notify(name)
      return readQueue(identity, name)
    })
  }

  app.patch(
    '/queues/:name',
    { schema: { summary: 'Limit a queue; null takes a limit away', tags, params: queueParams, body: bounds, response: { 200: queue } } },
    async (request) => {
      const identity = identityOf(request)
      const { name } = request.params
      await database.system.transaction(async (tx) => {
        const before = await lockQueueBounds(tx, name)
        if (!before) throw notFound('queue')
        const after = boundsAfter(before, request.body)
        await setQueueBounds(tx, name, after)
        await insertAudit(tx, { ...auditOf(request.id, identity, name), action: 'queue.limit', details: { before, after } })
      })
      notifier.notify(name)
      return readQueue(identity, name)
    },
  )
}

function auditOf(request_id: string, { user_id }: Identity, name: string) {
  return { organization_id: null, actor_id: user_id, entity_type: 'queue', entity_id: name, request_id }
}

/** What the limits become: what the body does not name stays. @throws a refusal where a rate has no period, or a period no rate */
function boundsAfter(before: QueueBounds, body: Bounds): QueueBounds {
  const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined))
  const after: QueueBounds = { ...before, ...given }
  if (after.rate_limit === null && (body.rate_period_seconds ?? null) === null) return { ...after, rate_period_seconds: null }
  if ((after.rate_limit === null) === (after.rate_period_seconds === null)) return after
  const path = after.rate_limit === null ? 'rate_limit' : 'rate_period_seconds'
  throw refusal(422, 'A rate is a number of jobs and a period.', { errors: [{ location: 'body', path, message: 'is missing' }] })
}
