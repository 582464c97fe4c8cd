import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { countMoves } from '#db/machine-flow.ts'
import { readQueueHistory } from '#db/queue-history.ts'
import { keptForMs, readWindow, sampleOf, windowQuery, windowShape } from '../log-window.ts'
import { identityOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { ShortCache } from '../short-cache.ts'

const WINDOW = 1_800
const POINTS = 60

const point = z.object({
  at: z.date(),
  enqueued: z.number(),
  succeeded: z.number(),
  failed: z.number(),
  wait_p95_ms: z.number().nullable(),
  run_p95_ms: z.number().nullable(),
})
const history = z
  .object({ ...windowShape, step_seconds: z.number(), queues: z.array(z.object({ name: z.string(), points: z.array(point) })) })
  .meta({ id: 'QueueHistory' })

/** What the queues did lately, stretch by stretch. */
export const queueHistoryRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const cache = new ShortCache<z.infer<typeof history>>(keptForMs(WINDOW))

  app.get(
    '/queues/history',
    {
      schema: {
        summary: 'Throughput, waits and runs of the queues lately; a stretch in which nothing happened has no point',
        tags: ['engine'],
        querystring: z.strictObject({ window: windowQuery(WINDOW) }),
        response: { 200: history },
      },
    },
    (request) => {
      const identity = identityOf(request)
      const { window } = request.query
      return cache.get(`${identity.organization_id ?? 'installation'} ${window}`, async () => {
        const { window_seconds, value } = await readWindow(database, identity, window, async (tx, seconds) => {
          const every = sampleOf((await countMoves(tx, seconds)).reduce((sum, { count }) => sum + count, 0))
          const step = Math.max(1, Math.round(seconds / POINTS))
          return { every, step, rows: await readQueueHistory(tx, { seconds, step, every }) }
        })
        const queues = Map.groupBy(value.rows, ({ queue }) => queue)
        return {
          window_seconds,
          sampled_every: value.every,
          step_seconds: value.step,
          queues: [...queues].map(([name, rows]) => ({ name, points: rows.map(({ queue: _queue, ...rest }) => rest) })),
        }
      })
    },
  )
}
