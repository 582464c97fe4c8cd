import { z } from 'zod'
import { findOrganization } from '#db/organizations.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { hasAccountTables, readFactorStanding } from '#db/second-factors.ts'
import { insertRefreshToken } from '#db/sessions.ts'
import type { UserRow } from '#db/users.ts'
import type { Receiver } from './account-mails.ts'
import { ACCESS_SECONDS, newToken, REFRESH_SECONDS } from './tokens.ts'
import type { AccessTokens } from './tokens.ts'

/** What a sign-in gives. */
export const signedIn = z
  .object({
    access_token: z.string(),
    refresh_token: z.string(),
    expires_in: z.number().describe('Seconds'),
    token_type: z.literal('Bearer'),
    two_factor_setup_required: z
      .literal(true)
      .describe('The organisation wants a second factor: until it is set up and the tokens are exchanged, nothing else is open')
      .optional(),
  })
  .meta({ id: 'SignIn' })

/** Begins a sign-in, or goes on with one: a pair of tokens of the family. */
export async function openSession(
  db: CommonQueryMethods,
  tokens: AccessTokens,
  user: Pick<UserRow, 'id' | 'organization_id' | 'role'>,
  familyId: string,
): Promise<z.infer<typeof signedIn>> {
  const { id, organization_id, role } = user
  const standing = (await hasAccountTables(db)) ? await readFactorStanding(db, user) : { enabled: false, required: false }
  const lacks_factor = standing.required && !standing.enabled
  const { token, hash } = newToken()
  await insertRefreshToken(db, { family_id: familyId, organization_id, user_id: id, token_hash: hash, lifetime_seconds: REFRESH_SECONDS })
  return {
    access_token: await tokens.sign({ user_id: id, organization_id, role, sign_in_id: familyId, lacks_factor }),
    refresh_token: token,
    expires_in: ACCESS_SECONDS,
    token_type: 'Bearer',
    ...(lacks_factor ? { two_factor_setup_required: true as const } : {}),
  }
}

/** Where mails about somebody's account go. */
export async function receiverOf(db: CommonQueryMethods, user: Pick<UserRow, 'organization_id' | 'email'>): Promise<Receiver> {
  const organization = user.organization_id === null ? null : await findOrganization(db, user.organization_id)
  return { organization_id: user.organization_id, organization: organization?.name ?? null, email: user.email }
}
