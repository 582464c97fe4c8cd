import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { insertAudit } from '#db/audit.ts'
import { countJobs } from '#db/job-lists.ts'
import { listQueues, setQueuePaused } from '#db/queues.ts'
import { countTickets } from '#db/tickets.ts'
import { listSchedules, listWorkers, scheduleRow, workerRow } from '#db/workers-list.ts'
import { charts } from '#machines/charts.ts'
import { notFound } from '../refusal.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, noBody } from '../shapes.ts'
import { ShortCache } from '../short-cache.ts'
import type { Identity } from '../tokens.ts'

/** Everybody who watches shares one count a second. */
const COUNTS_MAX_AGE_MS = 1_000

const edge = z.object({ event: z.string(), from: z.string().nullable(), to: z.string(), guard: z.string().nullable(), actions: z.array(z.string()) })
const machine = z
  .object({
    name: z.string(),
    initial: z.string(),
    states: z.array(z.string()),
    events: z.array(z.string()),
    edges: z.array(edge),
    counts: z.record(z.string(), z.number()).nullable().describe('Null where they are not counted, or not for the asker to see'),
  })
  .meta({ id: 'Machine' })
const queue = z
  .object({
    name: z.string(),
    paused: z.boolean(),
    concurrency: z.number().nullable(),
    max_depth: z.number(),
    depth: z.number().describe('Jobs that wait: queued and retried'),
    counts: z.record(z.string(), z.number()),
    oldest_due_seconds: z.number().nullable(),
  })
  .meta({ id: 'Queue' })
const worker = workerRow.meta({ id: 'Worker' })
const schedule = scheduleRow.meta({ id: 'Schedule' })
const queueParams = z.strictObject({ name: z.string().min(1).max(63) })

type Counts = Record<string, Record<string, number>>

/** What the engine is made of and how it stands: machines, queues, workers, schedules. */
export const engineRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['engine']
  const cache = new ShortCache<Counts>(COUNTS_MAX_AGE_MS)

  const count = (identity: Identity): Promise<Counts> =>
    inScope(database, identity, async (tx) => {
      const job = Object.fromEntries((await countJobs(tx)).map((row) => [row.status, row.count]))
      // Tickets are the organisations' own: an operator sees none.
      const counts: Counts = { job }
      if (identity.organization_id !== null) counts['ticket'] = Object.fromEntries((await countTickets(tx)).map((row) => [row.status, row.count]))
      return counts
    })

  app.get('/machines', { schema: { summary: 'Every state machine, with live counts', tags, response: { 200: listOf(machine) } } }, async (request) => {
    const identity = identityOf(request)
    const counts = await cache.get(identity.organization_id ?? 'installation', () => count(identity))
    return {
      items: charts.map((chart) => {
        const counted = counts[chart.name]
        return { ...chart, counts: counted ? Object.fromEntries(chart.states.map((state) => [state, counted[state] ?? 0])) : null }
      }),
    }
  })

  const readQueues = async (identity: Identity) =>
    (await listQueues(database.system, identity.organization_id)).map((row) => ({ ...row, depth: (row.counts['queued'] ?? 0) + (row.counts['retried'] ?? 0) }))

  app.get('/queues', { schema: { summary: 'Queues, and how deep they are', tags, response: { 200: listOf(queue) } } }, async (request) => ({
    items: await readQueues(identityOf(request)),
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
        await insertAudit(tx, {
          organization_id: null,
          actor_id: identity.user_id,
          action: `queue.${verb}`,
          entity_type: 'queue',
          entity_id: name,
          request_id: request.id,
        })
      })
      notifier.notify(name)
      const found = (await readQueues(identity)).find((row) => row.name === name)
      if (!found) throw notFound('queue')
      return found
    })
  }

  app.get('/workers', { schema: { summary: 'Workers, with their living actors', tags, response: { 200: listOf(worker) } } }, async (request) => {
    const rows = await listWorkers(database.system, LIMITS.PAGE_MAX)
    // The actors of a worker serve the jobs of all organisations.
    const isOperator = identityOf(request).organization_id === null
    return { items: rows.map((row) => (isOperator ? row : { ...row, actor_tree: null })) }
  })

  app.get('/schedules', { schema: { summary: 'What runs by the clock', tags, response: { 200: listOf(schedule) } } }, async () => ({
    items: [...(await listSchedules(database.system))],
  }))
}
