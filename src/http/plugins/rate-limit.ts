import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance } from 'fastify'
import { LIMITS } from '#config.ts'
import { refusal } from '../refusal.ts'

/** Bounds the requests of one user, or of one address before sign-in, and says in RateLimit-* headers what is left. */
export async function limitRates(app: FastifyInstance): Promise<void> {
  await app.register(rateLimit, {
    max: LIMITS.RATE_PER_MINUTE,
    timeWindow: '1 minute',
    enableDraftSpec: true,
    keyGenerator: (request) => request.identity?.user_id ?? request.ip,
    errorResponseBuilder: (_request, { after }) => refusal(429, `Too many requests: try again in ${after}.`),
  })
}
