import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { countDeadLetters, countMoves, listMovers, minePaths } from '#db/machine-flow.ts'
import { JOB_EVENTS, JOB_STATES } from '#machines/job.ts'
import { keptForMs, readWindow, sampleOf, windowQuery, windowShape } from '../log-window.ts'
import { flow, flowReader } from '../machine-flows.ts'
import { notFound } from '../refusal.ts'
import { identityOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf } from '../shapes.ts'
import { ShortCache } from '../short-cache.ts'
import type { Identity } from '../tokens.ts'

const HOUR = 3_600
const DAY = 86_400
const PATHS_MAX = 100
const MOVERS_MAX = 50
const DEAD_LETTERS_MAX = 100

const NAME_CHARS = 63

const params = z.strictObject({ name: z.string().min(1).max(NAME_CHARS) })
const paths = z
  .object({
    ...windowShape,
    jobs: z.number(),
    items: z.array(
      z.object({ events: z.array(z.string()), jobs: z.number(), share: z.number(), p50_ms: z.number(), p95_ms: z.number(), example_jobs: z.array(z.number()) }),
    ),
  })
  .meta({ id: 'MinedPaths' })

const moverQuery = z.strictObject({
  event: z.enum(JOB_EVENTS),
  from: z.enum(JOB_STATES).optional(),
  to: z.enum(JOB_STATES),
  window: windowQuery(HOUR),
})
const mover = z
  .object({
    job_id: z.number(),
    seq: z.number(),
    at: z.date(),
    attempt: z.number(),
    worker: z.number().nullable(),
    job_type: z.string(),
    status: z.enum(JOB_STATES),
    last_error: z.string().nullable(),
  })
  .meta({ id: 'Mover' })
const deadLetters = z
  .object({
    error_class: z.string(),
    job_type: z.string(),
    jobs: z.number(),
    still_failed: z.number().describe('Those that nobody queued again'),
    newest_at: z.date(),
    newest_job: z.number(),
    message: z.string().nullable(),
  })
  .meta({ id: 'DeadLetters' })

/** What moves through the machines: how much, how fast, and by which ways. */
export const machineFlowRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['engine']
  const caches = new Map<number, ShortCache<unknown>>()

  /** Everybody of an organisation who asks the same within the time shares one answer. */
  function shared<T>(identity: Identity, question: string, seconds: number, load: () => Promise<T>): Promise<T> {
    const ms = keptForMs(seconds)
    const cache = caches.get(ms) ?? new ShortCache<unknown>(ms)
    caches.set(ms, cache)
    return cache.get(`${identity.organization_id ?? 'installation'} ${question} ${seconds}`, load) as Promise<T>
  }

  app.get(
    '/machines/:name/flow',
    {
      schema: {
        summary: 'How often the edges of a machine were taken lately, and how long things stood in its states',
        tags,
        params,
        querystring: z.strictObject({ window: windowQuery(HOUR) }),
        response: { 200: flow },
      },
    },
    (request) => {
      const identity = identityOf(request)
      const { window } = request.query
      const { name } = request.params
      const load = flowReader(name, identity)
      if (!load) throw notFound('log of this machine')
      return shared(identity, `flow of ${name}`, window, () => load(database, identity, window))
    },
  )

  app.get(
    '/machines/job/paths',
    {
      schema: {
        summary: 'The ways that jobs took to their end, the rarest first',
        tags,
        querystring: z.strictObject({ window: windowQuery(HOUR) }),
        response: { 200: paths },
      },
    },
    (request) => {
      const identity = identityOf(request)
      const { window } = request.query
      return shared(identity, 'paths', window, async () => {
        const { window_seconds, value } = await readWindow(database, identity, window, async (tx, seconds) => {
          const every = sampleOf((await countMoves(tx, seconds)).reduce((sum, { count }) => sum + count, 0))
          return { every, rows: await minePaths(tx, seconds, every, PATHS_MAX) }
        })
        const jobs = value.rows.reduce((sum, row) => sum + row.jobs, 0)
        return { window_seconds, sampled_every: value.every, jobs, items: value.rows.map((row) => ({ ...row, share: row.jobs / jobs })) }
      })
    },
  )

  app.get(
    '/machines/job/movers',
    { schema: { summary: 'The jobs that took an edge lately, the newest first', tags, querystring: moverQuery, response: { 200: listOf(mover) } } },
    async (request) => {
      const { event, from = null, to, window } = request.query
      const edge = { event, from_state: from, to_state: to }
      const { value } = await readWindow(database, identityOf(request), window, (tx, seconds) => listMovers(tx, edge, seconds, MOVERS_MAX))
      return { items: [...value] }
    },
  )

  app.get(
    '/dead-letters',
    {
      schema: {
        summary: 'What failed for good lately, by the class of its error',
        tags,
        querystring: z.strictObject({ window: windowQuery(DAY) }),
        response: { 200: listOf(deadLetters).extend({ window_seconds: windowShape.window_seconds }) },
      },
    },
    (request) => {
      const identity = identityOf(request)
      const { window } = request.query
      return shared(identity, 'dead letters', window, async () => {
        const { window_seconds, value } = await readWindow(database, identity, window, (tx, seconds) => countDeadLetters(tx, seconds, DEAD_LETTERS_MAX))
        return { window_seconds, items: [...value] }
      })
    },
  )
}
