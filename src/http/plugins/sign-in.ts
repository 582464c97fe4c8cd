import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { metrics } from '#metrics.ts'
import { ruleOf } from '../authority.ts'
import type { Bearers } from '../bearers.ts'
import { refusal } from '../refusal.ts'
import { missingScope } from '../token-scopes.ts'

const noQuery = z.strictObject({})
/** What is open to somebody who first has to set up a second factor. */
const FACTOR_SETUP = /^\/api\/v1\/auth\/(me|logout|2fa\/(status|enable|verify))$/

/** Reads who asks, and lets pass whom the table of authority names. Refuses to start with a route that it does not name. */
export function requireAuthority(app: FastifyInstance, bearers: Bearers): void {
  app.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) {
      if (ruleOf(method, route.url) === undefined) throw new Error(`${method} ${route.url} is not in the table of authority`)
    }
    // A route without query parameters knows none: a misspelt one is told, not ignored.
    if (route.schema && !route.schema.hide) route.schema.querystring ??= noQuery
  })
  app.decorateRequest('identity', null)
  const attempts = app.createRateLimit({ max: LIMITS.RATE_PER_MINUTE, timeWindow: '1 minute', keyGenerator: (request) => request.ip })

  /** Who cannot say who it is is bounded by its address. @throws the refusal that it has earned */
  async function limitStranger(request: FastifyRequest, reply: FastifyReply, error: unknown): Promise<never> {
    const standing = await attempts(request)
    if (standing.isAllowed) throw error
    const { max, remaining, ttlInSeconds, isExceeded } = standing
    reply.headers({ 'ratelimit-limit': max, 'ratelimit-remaining': remaining, 'ratelimit-reset': ttlInSeconds })
    throw isExceeded ? refusal(429, `Too many requests: try again in ${ttlInSeconds} s.`, { headers: { 'retry-after': String(ttlInSeconds) } }) : error
  }

  app.addHook('onRequest', async (request, reply) => {
    if (request.is404) return
    const pattern = request.routeOptions.url ?? ''
    const rule = ruleOf(request.method, pattern) ?? []
    if (rule === 'anyone') return
    const identity = await bearers.identify(request).catch((error: unknown) => limitStranger(request, reply, error))
    request.identity = identity
    if (identity.lacks_factor && !FACTOR_SETUP.test(pattern)) throw factorNeeded()
    const scope = identity.scopes && missingScope(identity.scopes, request.method, pattern)
    if (scope) throw scopeNeeded(scope)
    if (!rule.includes(identity.role)) {
      // Only somebody of an organisation may, and this is an operator.
      if (identity.organization_id === null) metrics.contextMissing.inc({ endpoint: pattern || 'unmatched' })
      throw refusal(403, 'Your role may not do this.')
    }
  })
}

function factorNeeded(): Error {
  return refusal(403, 'Your organisation wants a second factor: set one up with POST /api/v1/auth/2fa/enable, then sign in with it.', {
    type: 'urn:atum-desk:problem:two-factor-setup-required',
  })
}

function scopeNeeded(scope: string): Error {
  return refusal(403, scope.includes(':') ? `This API token lacks the scope ${scope}.` : 'No API token may do this: sign in.', {
    type: 'urn:atum-desk:problem:insufficient-scope',
    headers: { 'www-authenticate': 'Bearer realm="atum-desk", error="insufficient_scope"' },
  })
}
