import type { FastifyInstance } from 'fastify'
import type { Logger } from '#log.ts'
import { metrics } from '#metrics.ts'

/** Counts every answer under its route's pattern, and logs one line for it: no body, no query, no secret. */
export function observe(app: FastifyInstance, log: Logger): void {
  app.addHook('onSend', async (request, reply) => {
    reply.header('x-request-id', request.id)
  })
  app.addHook('onResponse', async (request, reply) => {
    const endpoint = (request.is404 ? undefined : request.routeOptions.url) ?? 'unmatched'
    const labels = { method: request.method, endpoint, status: String(reply.statusCode) }
    metrics.httpRequests.inc(labels)
    metrics.httpDuration.observe(labels, reply.elapsedTime / 1_000)
    log.info(
      {
        request_id: request.id,
        ...labels,
        ms: Math.round(reply.elapsedTime),
        user_id: request.identity?.user_id,
        organization_id: request.identity?.organization_id ?? undefined,
      },
      'answered',
    )
  })
}
