import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { findOrganization } from '#db/organizations.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { insertRefreshToken, revokeFamilyOf, revokeTokensOfUser, spendRefreshToken } from '#db/sessions.ts'
import { accountsOf, findUser, ROLES } from '#db/users.ts'
import type { AccountRow, UserRow } from '#db/users.ts'
import { guardLogins } from '../login-guard.ts'
import { verifyAgainstNobody, verifyPassword } from '../passwords.ts'
import { identify } from '../plugins/sign-in.ts'
import { notFound, refusal } from '../refusal.ts'
import { identityOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { ACCESS_SECONDS, hashToken, newRefreshToken, REFRESH_SECONDS } from '../tokens.ts'
import type { AccessTokens } from '../tokens.ts'

/** Accounts of one address that a sign-in without an organisation tries. */
const ACCOUNTS_MAX = 10

const login = z.strictObject({
  email: z.string().min(3).max(254),
  password: z.string().min(1).max(1_000),
  organization: z.string().min(1).max(63).describe('The slug; needed where the address has accounts in several organisations').optional(),
  otp: z.string().max(20).describe('Asked of accounts with a second factor').optional(),
})
const refresh = z.strictObject({ refresh_token: z.string().min(1).max(200) })
const signedIn = z.object({ access_token: z.string(), refresh_token: z.string(), expires_in: z.number().describe('Seconds'), token_type: z.literal('Bearer') })
const me = z.object({
  id: z.string(),
  email: z.string(),
  full_name: z.string(),
  role: z.enum(ROLES),
  organization: z.object({ id: z.string(), slug: z.string(), name: z.string() }).nullable(),
})

export const authRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, tokens } }) => {
  const guard = guardLogins(app)
  const tags = ['auth']

  app.post('/auth/login', { schema: { summary: 'Sign in', tags, body: login, response: { 200: signedIn } } }, async (request) => {
    const account = await guard.attempt(request, () => findAccount(database.system, request.body))
    if (!account) throw refusal(401, 'Wrong e-mail address or password.')
    return signIn(database.system, tokens, account, randomUUID())
  })

  app.post('/auth/refresh', { schema: { summary: 'Exchange a refresh token, once', tags, body: refresh, response: { 200: signedIn } } }, async (request) => {
    const hash = hashToken(request.body.refresh_token)
    const answer = await database.system.transaction(async (tx) => {
      const spent = await spendRefreshToken(tx, hash)
      const user = spent && (await findUser(tx, spent.user_id))
      if (spent && user?.is_active) return signIn(tx, tokens, user, spent.family_id)
      // A token that comes a second time was stolen, or its answer was: neither its holder nor its thief goes on.
      await revokeFamilyOf(tx, hash)
      return null
    })
    if (!answer) throw refusal(401, 'The refresh token is not valid any more. Sign in again.')
    return answer
  })

  app.post(
    '/auth/logout',
    {
      schema: {
        summary: 'End this sign-in; without a refresh token, every sign-in of the user',
        tags,
        body: refresh.partial().nullish(),
        response: { 204: z.void() },
      },
    },
    async (request, reply) => {
      const token = request.body?.refresh_token
      if (token === undefined) await revokeTokensOfUser(database.system, (await identify(request, tokens)).user_id)
      else await revokeFamilyOf(database.system, hashToken(token))
      return reply.code(204).send()
    },
  )

  app.get('/auth/me', { schema: { summary: 'Who is signed in', tags, response: { 200: me } } }, async (request) => {
    const user = await findUser(database.system, identityOf(request).user_id)
    if (!user?.is_active) throw refusal(401, 'This account is not active.')
    const organization = user.organization_id === null ? null : await findOrganization(database.system, user.organization_id)
    if (user.organization_id !== null && !organization) throw notFound('organisation')
    return { ...user, organization }
  })
}

/**
 * The account that the password opens; an unknown one takes as long as a known one.
 *
 * @throws a refusal with 422 where it opens several and no organisation is named
 */
async function findAccount(db: CommonQueryMethods, given: z.infer<typeof login>): Promise<AccountRow | null> {
  const accounts = await accountsOf(db, given.email, given.organization ?? null, ACCOUNTS_MAX)
  if (accounts.length === 0) await verifyAgainstNobody(given.password)
  const opened: AccountRow[] = []
  for (const account of accounts) if (await verifyPassword(account.password_hash, given.password)) opened.push(account)
  if (opened.length > 1) {
    throw refusal(422, 'This address has accounts in several organisations: say which one.', {
      errors: [{ location: 'body', path: 'organization', message: 'is needed' }],
    })
  }
  return opened[0] ?? null
}

async function signIn(
  db: CommonQueryMethods,
  tokens: AccessTokens,
  user: Pick<UserRow, 'id' | 'organization_id' | 'role'>,
  familyId: string,
): Promise<z.infer<typeof signedIn>> {
  const { token, hash } = newRefreshToken()
  await insertRefreshToken(db, {
    family_id: familyId,
    organization_id: user.organization_id,
    user_id: user.id,
    token_hash: hash,
    lifetime_seconds: REFRESH_SECONDS,
  })
  const access = await tokens.sign({ user_id: user.id, organization_id: user.organization_id, role: user.role })
  return { access_token: access, refresh_token: token, expires_in: ACCESS_SECONDS, token_type: 'Bearer' }
}
