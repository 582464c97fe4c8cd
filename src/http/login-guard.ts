import type { FastifyInstance, FastifyRequest } from 'fastify'
import { LIMITS } from '#config.ts'
import { refusal } from './refusal.ts'

/** Bounds the wrong passwords for one account from one address; who signs in rightly is never counted. */
export interface LoginGuard {
  /** Runs one attempt. @throws a refusal with 429 before it begins, where too many have failed */
  attempt<T>(request: FastifyRequest, attempt: () => Promise<T | null>): Promise<T | null>
}

export function guardLogins(app: FastifyInstance): LoginGuard {
  const accountOf = (request: FastifyRequest) => `${request.ip} ${(request.body as { email: string }).email.toLowerCase()}`
  const failures = app.createRateLimit({ max: LIMITS.LOGIN_FAILURES_PER_MINUTE, timeWindow: '1 minute', keyGenerator: accountOf })
  // A burst of attempts at once must not pass before the first of them has failed.
  const underWay = new Map<string, number>()
  return {
    attempt: async (request, attempt) => {
      const account = accountOf(request)
      const standing = await failures(request, { increment: false })
      const running = underWay.get(account) ?? 0
      if (!standing.isAllowed && standing.remaining <= running) {
        const seconds = Math.max(1, standing.ttlInSeconds)
        throw refusal(429, `Too many attempts: try again in ${seconds} s.`, { headers: { 'retry-after': String(seconds) } })
      }
      underWay.set(account, running + 1)
      try {
        const outcome = await attempt()
        if (outcome === null) await failures(request)
        return outcome
      } finally {
        const left = underWay.get(account)! - 1
        if (left === 0) underWay.delete(account)
        else underWay.set(account, left)
      }
    },
  }
}
