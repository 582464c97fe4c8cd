import { createHash, randomBytes } from 'node:crypto'
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
}

const claims = z.object({ sub: z.guid(), org: z.guid().nullable(), role: z.enum(ROLES), use: z.literal('access') })

/** Signs access tokens and reads them. */
export interface AccessTokens {
  sign(identity: Identity): Promise<string>
  /** Null where the token is not one of ours, is no access token, or has ended. */
  read(token: string): Promise<Identity | null>
}

export function accessTokens(secret: string): AccessTokens {
  const key = new TextEncoder().encode(secret)
  return {
    sign: ({ user_id, organization_id, role }) =>
      new SignJWT({ org: organization_id, role, use: 'access' })
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
        .setSubject(user_id)
        .setIssuer(ISSUER)
        .setIssuedAt()
        .setExpirationTime(`${ACCESS_SECONDS}s`)
        .sign(key),
    read: async (token) => {
      const verified = await jwtVerify(token, key, { algorithms: ['HS256'], issuer: ISSUER, typ: 'at+jwt', requiredClaims: ['exp'] }).catch(() => null)
      const parsed = claims.safeParse(verified?.payload)
      return parsed.success ? { user_id: parsed.data.sub, organization_id: parsed.data.org, role: parsed.data.role } : null
    },
  }
}

/** A new refresh token and the hash under which it is kept. */
export function newRefreshToken(): { token: string; hash: Buffer } {
  const token = randomBytes(REFRESH_BYTES).toString('base64url')
  return { token, hash: hashToken(token) }
}

/** A random token of 256 bits needs no slow hash: nobody can guess what was hashed. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
