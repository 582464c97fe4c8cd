import type { FastifyInstance } from 'fastify'
import type { Happened } from '#open-telemetry.ts'
import { tracing } from '#tracing.ts'

/** What is asked every few seconds, and what the console is made of, would bury what people do. */
const UNTRACED = /\/(health|livez|readyz|metrics)$|^\/(console|desk|docs)(\/|$)/
const ATTRIBUTE_CHARS = 200

declare module 'fastify' {
  interface FastifyRequest {
    happening: Happened | null
  }
}

/** One span a request, which continues the caller's trace where it sends a traceparent. Without tracing there is not even a hook. */
export function traceRequests(app: FastifyInstance): void {
  const traces = tracing()
  if (!traces) return
  app.decorateRequest('happening', null)
  app.addHook('onRequest', (request, _reply, done) => {
    const route = (request.is404 ? undefined : request.routeOptions.url) ?? 'unmatched'
    if (UNTRACED.test(route)) return done()
    const { traceparent } = request.headers
    request.happening = traces.open(`${request.method} ${route}`, {
      kind: 'server',
      parent: typeof traceparent === 'string' ? traceparent : null,
      attributes: {
        'http.request.method': request.method,
        'http.route': route,
        'url.path': request.url.split('?')[0]!.slice(0, ATTRIBUTE_CHARS),
        'atum.request_id': request.id,
      },
    })
    request.happening.run(done)
  })
  // The body comes by events of the socket, which know nothing of the request.
  app.addHook('preValidation', (request, _reply, done) => (request.happening ? request.happening.run(done) : done()))
  app.addHook('onResponse', (request, reply, done) => {
    const { happening } = request
    if (!happening) return done()
    const { statusCode } = reply
    happening.end({ 'http.response.status_code': statusCode }, statusCode >= 500 ? String(statusCode) : undefined)
    happening.run(done)
  })
}
