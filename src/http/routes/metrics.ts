import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { registry } from '#metrics.ts'
import { scrape } from '#process-counts.ts'
import { refusal } from '../refusal.ts'
import type { RouteOptions } from '../services.ts'

const LOOPBACK = /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/

/** What Prometheus scrapes: counters as they stand, gauges from a reading that no scrape waits for twice. */
export const metricsRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { config, gauges } }) => {
  const schema = { summary: 'Metrics for Prometheus', tags: ['metrics'], response: { 200: z.string() } }
  app.get('/metrics', { schema, config: { rateLimit: false } }, async (request, reply) => {
    if (!isLoopback(request) && !hasToken(request, config.METRICS_TOKEN)) {
      throw refusal(401, 'Metrics are for this machine, or for the bearer of METRICS_TOKEN.', { headers: { 'www-authenticate': 'Bearer realm="metrics"' } })
    }
    await gauges.ready()
    return reply
      .type(registry.contentType)
      .serializer((text: unknown) => String(text))
      .send(await scrape())
  })
}

/** By the socket's own address. What a proxy on this machine forwards is not from this machine, whatever its headers say. */
function isLoopback(request: FastifyRequest): boolean {
  const { headers, raw } = request
  return (
    LOOPBACK.test(raw.socket.remoteAddress ?? '') &&
    headers['x-forwarded-for'] === undefined &&
    headers.forwarded === undefined &&
    headers['x-real-ip'] === undefined
  )
}

function hasToken(request: FastifyRequest, token: string | undefined): boolean {
  const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return token !== undefined && given !== undefined && timingSafeEqual(digest(given), digest(token))
}
