import type { FastifyRequest } from 'fastify'
import { findTokenBearer, touchApiToken } from '#db/api-tokens.ts'
import type { TokenBearer } from '#db/api-tokens.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { watchEndedSignIns } from './ended-sign-ins.ts'
import { refusal } from './refusal.ts'
import { ShortCache } from './short-cache.ts'
import { hashToken, isApiToken } from './tokens.ts'
import type { AccessTokens, Identity } from './tokens.ts'

const CHALLENGE = { 'www-authenticate': 'Bearer realm="atum-desk"' }
/** So long another process of the API may still take an API token that was ended here. */
const MAX_AGE_MS = 1_000

/** Tells who the bearer of a token is. */
export interface Bearers {
  /** @throws a refusal with 401 */
  identify(request: FastifyRequest): Promise<Identity>
  /** Sign-ins or tokens have ended: the next request looks. */
  changed(): void
}

export function readBearers(db: CommonQueryMethods, tokens: AccessTokens): Bearers {
  const ended = watchEndedSignIns(db)
  let apiTokens = new ShortCache<TokenBearer | null>(MAX_AGE_MS)

  async function ofAccessToken(token: string): Promise<Identity | null> {
    const identity = await tokens.read(token)
    return identity?.sign_in_id !== undefined && !(await ended.has(identity.sign_in_id)) ? identity : null
  }

  async function ofApiToken(token: string): Promise<Identity | null> {
    const hash = hashToken(token)
    const bearer = await apiTokens.get(hash.toString('base64url'), async () => {
      const found = await findTokenBearer(db, hash)
      if (found?.unseen) await touchApiToken(db, found.token_id)
      return found
    })
    if (!bearer) return null
    const { user_id, organization_id, role, scopes, lacks_factor } = bearer
    return { user_id, organization_id, role, scopes, ...(lacks_factor ? { lacks_factor } : {}) }
  }

  return {
    identify: async (request) => {
      const token = /^Bearer ([\w.~+/=-]+)$/i.exec(request.headers.authorization ?? '')?.[1]
      if (!token) throw refusal(401, 'Sign in, and send the access token as a bearer token.', { headers: CHALLENGE })
      const identity = await (isApiToken(token) ? ofApiToken(token) : ofAccessToken(token))
      if (!identity) throw refusal(401, 'The access token is not valid, or has ended.', { headers: CHALLENGE })
      return identity
    },
    changed: () => {
      ended.changed()
      apiTokens = new ShortCache(MAX_AGE_MS)
    },
  }
}
