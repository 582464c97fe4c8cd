import { createHash, createHmac, randomBytes } from 'node:crypto'
import { jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import { ROLES } from '#db/users.ts'
import type { Role } from '#db/users.ts'

export const ACCESS_SECONDS = 15 * 60
export const REFRESH_SECONDS = 30 * 24 * 3_600
const ISSUER = 'atum-desk'
const REFRESH_BYTES = 32

/** Who asks. An operator has no organisation. */
export interface Identity {
  user_id: string
  organization_id: string | null
  role: Role
  /** The sign-in that this came of; absent for an API token. */
  sign_in_id?: string
  /** What an API token is limited to; absent for a sign-in, which may all that its role may. */
  scopes?: readonly string[]
  /** The organisation wants a second factor that is not there yet: nothing is open but setting one up. */
  lacks_factor?: boolean
}

const claims = z.object({
  sub: z.guid(),
  org: z.guid().nullable(),
  role: z.enum(ROLES),
  use: z.literal('access'),
  sid: z.guid(),
  lacks_factor: z.literal(true).optional(),
})

/** Signs access tokens and reads them. */
export interface AccessTokens {
  sign(identity: Identity & { sign_in_id: string }): Promise<string>
  /** Null where the token is not one of ours, is no access token, or has ended. */
  read(token: string): Promise<Identity | null>
}

export function accessTokens(secret: string): AccessTokens {
  const key = new TextEncoder().encode(secret)
  return {
    sign: ({ user_id, organization_id, role, sign_in_id, lacks_factor }) =>
      new SignJWT({ org: organization_id, role, use: 'access', sid: sign_in_id, ...(lacks_factor ? { lacks_factor } : {}) })
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
        .setSubject(user_id)
        .setIssuer(ISSUER)
        .setIssuedAt()
        .setExpirationTime(`${ACCESS_SECONDS}s`)
        .sign(key),
    read: async (token) => {
      const verified = await jwtVerify(token, key, { algorithms: ['HS256'], issuer: ISSUER, typ: 'at+jwt', requiredClaims: ['exp'] }).catch(() => null)
      const parsed = claims.safeParse(verified?.payload)
      if (!parsed.success) return null
      const { sub, org, role, sid, lacks_factor } = parsed.data
      return { user_id: sub, organization_id: org, role, sign_in_id: sid, ...(lacks_factor ? { lacks_factor } : {}) }
    },
  }
}

const API_TOKEN_PREFIX = 'atum_'

/** Whether a bearer token says that it is an API token: a secret that leaks is recognised by its prefix. */
export function isApiToken(token: string): boolean {
  return token.startsWith(API_TOKEN_PREFIX)
}

/** The API token of an id. Made of the service's secret, so that a repeated request can be given it again though it is kept as a hash only. */
export function apiTokenOf(serviceSecret: string, id: string): string {
  return `${API_TOKEN_PREFIX}${createHmac('sha256', serviceSecret).update(`api token ${id}`).digest('base64url')}`
}

/** A new token to hand out once, and the hash under which it is kept. */
export function newToken(): { token: string; hash: Buffer } {
  const token = randomBytes(REFRESH_BYTES).toString('base64url')
  return { token, hash: hashToken(token) }
}

/** A random token of 256 bits needs no slow hash: nobody can guess what was hashed. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
