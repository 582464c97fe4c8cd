import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { dependencyRow } from '#db/dependencies.ts'
import { reportHealth } from '../health-report.ts'
import type { HealthReport } from '../health-report.ts'
import type { RouteOptions } from '../services.ts'
import { ShortCache } from '../short-cache.ts'

/** Many probes at once cost one look at the database. */
const MAX_AGE_MS = 250

const report = z
  .object({
    status: z.enum(['ok', 'degraded', 'unhealthy']),
    workers_alive: z.number().nullable(),
    checks: z.object({
      database: z.object({ status: z.enum(['ok', 'down']), latency_ms: z.number().nullable() }),
      migrations: z.object({ status: z.enum(['ok', 'pending', 'missing', 'unknown']), applied: z.number().nullable(), pending: z.array(z.string()) }),
      workers: z.object({ status: z.enum(['ok', 'none', 'unknown']), alive: z.number().nullable() }),
      oldest_due_seconds: z.number().nullable(),
      storage: z.object({ database: z.enum(['ok', 'full', 'unknown']), attachments: z.enum(['ok', 'full', 'unknown']) }),
      dependencies: z.array(dependencyRow),
      embeddings: z.object({ status: z.enum(['ok', 'off', 'fault']), detail: z.string().nullable() }),
    }),
  })
  .meta({ id: 'Health' })
const alive = z.object({ status: z.literal('ok') })

/** Whether the service serves. Without a rate limit and without sign-in: who probes must always hear the truth. */
export function healthRoutes({ probes }: { probes: boolean }): FastifyPluginAsyncZod<RouteOptions> {
  return async (app, { services: { database, config } }) => {
    const cache = new ShortCache<HealthReport>(MAX_AGE_MS)
    const look = () => cache.get('health', () => reportHealth(database, config))
    const tags = ['health']
    const options = { config: { rateLimit: false as const } }

    app.get(
      '/health',
      { ...options, schema: { summary: 'How the service stands; 503 where it can serve nothing', tags, response: { 200: report, 503: report } } },
      async (_request, reply) => {
        const health = await look()
        return reply.code(health.status === 'unhealthy' ? 503 : 200).send(health)
      },
    )
    if (!probes) return
    app.get('/livez', { ...options, schema: { summary: 'The process answers', tags, response: { 200: alive } } }, () => ({ status: 'ok' as const }))
    app.get('/readyz', { ...options, schema: { summary: 'The service can serve', tags, response: { 200: report, 503: report } } }, async (_request, reply) => {
      const health = await look()
      return reply.code(health.status === 'unhealthy' ? 503 : 200).send(health)
    })
  }
}
