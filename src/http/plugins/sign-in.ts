import type { FastifyInstance, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { metrics } from '#metrics.ts'
import { ruleOf } from '../authority.ts'
import { refusal } from '../refusal.ts'
import type { AccessTokens, Identity } from '../tokens.ts'

const noQuery = z.strictObject({})
const CHALLENGE = { 'www-authenticate': 'Bearer realm="atum-desk"' }

/** Reads who asks, and lets pass whom the table of authority names. Refuses to start with a route that it does not name. */
export function requireAuthority(app: FastifyInstance, tokens: AccessTokens): void {
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) {
      if (ruleOf(method, route.url) === undefined) throw new Error(`${method} ${route.url} is not in the table of authority`)
    }
    // A route without query parameters knows none: a misspelt one is told, not ignored.
    if (route.schema && !route.schema.hide) route.schema.querystring ??= noQuery
  })
  app.decorateRequest('identity', null)
  app.addHook('onRequest', async (request) => {
    if (request.is404) return
    const rule = ruleOf(request.method, request.routeOptions.url ?? '') ?? []
    if (rule === 'anyone') return
    request.identity = await identify(request, tokens)
    if (!rule.includes(request.identity.role)) {
      // Only somebody of an organisation may, and this is an operator.
      if (request.identity.organization_id === null) metrics.contextMissing.inc({ endpoint: request.routeOptions.url ?? 'unmatched' })
      throw refusal(403, 'Your role may not do this.')
    }
  })
}

/** Who the bearer of the request's token is. @throws a refusal with 401 */
export async function identify(request: FastifyRequest, tokens: AccessTokens): Promise<Identity> {
  const token = /^Bearer ([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? '')?.[1]
  if (!token) throw refusal(401, 'Sign in, and send the access token as a bearer token.', { headers: CHALLENGE })
  const identity = await tokens.read(token)
  if (!identity) throw refusal(401, 'The access token is not valid, or has ended.', { headers: CHALLENGE })
  return identity
}
