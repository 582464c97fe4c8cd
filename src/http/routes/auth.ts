import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { findOrganization } from '#db/organizations.ts'
import { hasAccountTables } from '#db/second-factors.ts'
import { findUsedToken, revokeFamilyOf, revokeTokensOfUser, spendRefreshToken } from '#db/sessions.ts'
import { accountsOf, findUser, ROLES } from '#db/users.ts'
import type { AccountRow } from '#db/users.ts'
import { guardAttempt } from '../login-guard.ts'
import type { Attempt } from '../login-guard.ts'
import { verifyAgainstNobody, verifyPassword } from '../passwords.ts'
import { notFound, refusal } from '../refusal.ts'
import { identityOf } from '../scope.ts'
import { checkFactor, factorMissing, factorWrong } from '../second-factor.ts'
import type { FactorVerdict } from '../second-factor.ts'
import type { RouteOptions } from '../services.ts'
import { openSession, signedIn } from '../sessions.ts'
import { noteSignIn } from '../sign-in-audit.ts'
import { hashToken } from '../tokens.ts'

/** Accounts of one address that a sign-in without an organisation tries. */
const ACCOUNTS_MAX = 10

const login = z.strictObject({
  email: z.string().min(3).max(254),
  password: z.string().min(1).max(1_000),
  organization: z.string().min(1).max(63).describe('The slug; needed where the address has accounts in several organisations').optional(),
  otp: z
    .string()
    .max(20)
    .describe('The code of a second factor, or a recovery code; asked for by a problem of the type urn:atum-desk:problem:otp-required')
    .optional(),
})
const refresh = z.strictObject({ refresh_token: z.string().min(1).max(200) })
const me = z.object({
  id: z.string(),
  email: z.string(),
  full_name: z.string(),
  role: z.enum(ROLES),
  organization: z.object({ id: z.string(), slug: z.string(), name: z.string() }).nullable(),
})

type SignInOutcome = { account: AccountRow; factor: FactorVerdict } | { refused: Error }

export const authRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, tokens, bearers, factorSeal } }) => {
  const tags = ['auth']

  app.post('/auth/login', { schema: { summary: 'Sign in', tags, body: login, response: { 200: signedIn } } }, async (request) => {
    const { body, ip } = request
    const tried: AccountRow[] = []
    const attempt = async (): Promise<Attempt<SignInOutcome>> => {
      tried.push(...(await accountsOf(database.system, body.email, body.organization ?? null, ACCOUNTS_MAX)))
      const account = await openedBy(tried, body.password)
      if (!account) {
        await noteSignIn(database.system, request, 'account.sign_in_fail', tried, { reason: 'password' })
        return { verdict: 'wrong', value: { refused: refusal(401, 'Wrong e-mail address or password.') } }
      }
      const factor = await database.system.transaction(async (tx) =>
        (await hasAccountTables(tx)) ? checkFactor(tx, factorSeal, account.id, body.otp) : 'none needed',
      )
      if (factor === 'missing') return { verdict: 'incomplete', value: { refused: factorMissing() } }
      if (factor === 'wrong') {
        await noteSignIn(database.system, request, 'account.sign_in_fail', [account], { reason: 'second factor' })
        return { verdict: 'wrong', value: { refused: factorWrong() } }
      }
      return { verdict: 'right', value: { account, factor } }
    }
    const outcome = await guardAttempt(database.system, { ip, email: body.email }, attempt, (closed) =>
      noteSignIn(database.system, request, 'account.lock_out', tried, { closed }),
    )
    if ('refused' in outcome) throw outcome.refused
    const { account, factor } = outcome
    return database.system.transaction(async (tx) => {
      await noteSignIn(tx, request, 'account.sign_in', [account], { second_factor: factor === 'right' })
      return openSession(tx, tokens, account, randomUUID())
    })
  })

  app.post('/auth/refresh', { schema: { summary: 'Exchange a refresh token, once', tags, body: refresh, response: { 200: signedIn } } }, async (request) => {
    const hash = hashToken(request.body.refresh_token)
    const answer = await database.system.transaction(async (tx) => {
      const spent = await spendRefreshToken(tx, hash)
      const user = spent && (await findUser(tx, spent.user_id))
      if (spent && user?.is_active) return openSession(tx, tokens, user, spent.family_id)
      // A token that comes a second time was stolen, or its answer was: neither its holder nor its thief goes on.
      const reused = await findUsedToken(tx, hash)
      const ended = await revokeFamilyOf(tx, hash)
      if (reused && ended > 0) await noteSignIn(tx, request, 'account.refresh_reuse', [reused])
      return null
    })
    if (answer) return answer
    bearers.changed()
    throw refusal(401, 'The refresh token is not valid any more. Sign in again.')
  })

  app.post(
    '/auth/logout',
    {
      schema: {
        summary: 'End this sign-in, its access token included; without a refresh token, every sign-in of the user',
        tags,
        body: refresh.partial().nullish(),
        response: { 204: z.void() },
      },
    },
    async (request, reply) => {
      const token = request.body?.refresh_token
      if (token === undefined) {
        const identity = await bearers.identify(request)
        if (identity.scopes) throw refusal(403, 'An API token cannot sign anybody out: DELETE /api/v1/auth/tokens/{id} ends it.')
        await revokeTokensOfUser(database.system, identity.user_id)
      } else await revokeFamilyOf(database.system, hashToken(token))
      bearers.changed()
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
 * Which of the accounts the password opens; none of them takes as long as one, and several as long as one.
 *
 * @throws a refusal with 422 where it opens several and no organisation is named
 */
async function openedBy(accounts: readonly AccountRow[], password: string): Promise<AccountRow | null> {
  if (accounts.length === 0) await verifyAgainstNobody(password)
  const verdicts = await Promise.all(accounts.map((account) => verifyPassword(account.password_hash, password)))
  const opened = accounts.filter((_, index) => verdicts[index])
  if (opened.length > 1) {
    throw refusal(422, 'This address has accounts in several organisations: say which one.', {
      errors: [{ location: 'body', path: 'organization', message: 'is needed' }],
    })
  }
  return opened[0] ?? null
}
