import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { readAccountPolicy, writeAccountPolicy } from '#db/account-policies.ts'
import { inOrganization } from '#db/pool.ts'
import { beginSecondFactor, confirmSecondFactor, findSecondFactor, readFactorStanding, removeSecondFactor } from '#db/second-factors.ts'
import { revokeTokensOfUser, revokeTokensWithoutFactor } from '#db/sessions.ts'
import { findAccount, findPerson } from '#db/users.ts'
import type { AccountRow } from '#db/users.ts'
import { guardAttempt } from '../login-guard.ts'
import { note } from '../note.ts'
import { verifyPassword } from '../passwords.ts'
import { tenantRole } from '../person-shapes.ts'
import { notFound, refusal } from '../refusal.ts'
import { identityOf, tenantOf } from '../scope.ts'
import { checkFactor, factorWrong, newFactor, newRecoveryCodes, stepOf } from '../second-factor.ts'
import type { RouteOptions } from '../services.ts'
import { receiverOf } from '../sessions.ts'
import { uuidParams } from '../shapes.ts'

const currentPassword = z.string().min(1).max(1_000).describe('Of this account: a session that was left open must not lock its owner out')
const code = z.string().min(6).max(20)
const policy = z.strictObject({ required_roles: z.array(tenantRole).max(5).describe('Whose sign-in needs a second factor') })
const status = z.object({ enabled: z.boolean(), required: z.boolean().describe("By the organisation's policy"), recovery_codes_left: z.number() })

export const twoFactorRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, factorSeal, mails, notifier, bearers } }) => {
  const tags = ['auth']

  async function accountOf(request: FastifyRequest): Promise<AccountRow> {
    const account = await findAccount(database.system, identityOf(request).user_id)
    if (!account?.is_active) throw refusal(401, 'This account is not active.')
    return account
  }

  /** @throws a refusal with 403 where the password is another one */
  async function requirePassword(request: FastifyRequest, account: AccountRow, given: string): Promise<void> {
    const right = await guardAttempt(database.system, { ip: request.ip, email: account.email }, async () => {
      const value = await verifyPassword(account.password_hash, given)
      return { verdict: value ? 'right' : 'wrong', value }
    })
    if (!right) throw refusal(403, 'This is not your password.', { errors: [{ location: 'body', path: 'password', message: 'is wrong' }] })
  }

  app.get('/auth/2fa/status', { schema: { summary: 'How the own second factor stands', tags, response: { 200: status } } }, async (request) => {
    const { user_id, organization_id, role } = identityOf(request)
    return readFactorStanding(database.system, { id: user_id, organization_id, role })
  })

  app.post(
    '/auth/2fa/enable',
    {
      schema: {
        summary: 'Begin a second factor; it counts once POST /auth/2fa/verify has seen its first code',
        tags,
        body: z.strictObject({ password: currentPassword }),
        response: { 200: z.object({ secret: z.string(), otpauth_url: z.string().describe('For an authenticator app, as a QR code') }) },
      },
    },
    async (request) => {
      const account = await accountOf(request)
      await requirePassword(request, account, request.body.password)
      const factor = newFactor(account.email)
      const owner = { user_id: account.id, organization_id: account.organization_id }
      if (!(await beginSecondFactor(database.system, owner, factorSeal.seal(account.id, factor.secret)))) {
        throw refusal(409, 'There is a second factor already: disable it first.')
      }
      return factor
    },
  )

  app.post(
    '/auth/2fa/verify',
    {
      schema: {
        summary: "Confirm a second factor by the app's code; from now on every sign-in needs one",
        tags,
        body: z.strictObject({ otp: code }),
        response: { 200: z.object({ recovery_codes: z.array(z.string()).describe('Each good for one sign-in without the app. Shown this once') }) },
      },
    },
    async (request) => {
      const account = await accountOf(request)
      const factor = await findSecondFactor(database.system, account.id)
      if (!factor) throw refusal(409, 'Begin with POST /api/v1/auth/2fa/enable.')
      if (factor.confirmed) throw refusal(409, 'The second factor is confirmed already.')
      const step = await guardAttempt(database.system, { ip: request.ip, email: account.email }, async () => {
        const value = stepOf(factorSeal.open(account.id, factor.sealed_secret), request.body.otp.replaceAll(' ', ''), null)
        return { verdict: value === null ? 'wrong' : 'right', value }
      })
      if (step === null) throw factorWrong(400)
      const codes = newRecoveryCodes(account.id)
      const queue = await database.system.transaction(async (tx) => {
        const owner = { user_id: account.id, organization_id: account.organization_id }
        const hashes = codes.map(({ hash }) => hash)
        if (!(await confirmSecondFactor(tx, owner, step, hashes))) throw refusal(409, 'The second factor is confirmed already.')
        await note(tx, request, { action: 'two_factor.enable', entity_type: 'user', entity_id: account.id, details: {} })
        return mails.changed(tx, await receiverOf(tx, account), 'A second factor was added to your account')
      })
      bearers.changed()
      notifier.notify(queue)
      return { recovery_codes: codes.map(({ code }) => code) }
    },
  )

  app.post(
    '/auth/2fa/disable',
    {
      schema: {
        summary: 'Remove the own second factor',
        tags,
        body: z.strictObject({ password: currentPassword, otp: code.describe('A code of the app, or a recovery code') }),
        response: { 204: z.void() },
      },
    },
    async (request, reply) => {
      const account = await accountOf(request)
      const standing = await readFactorStanding(database.system, account)
      if (!standing.enabled) throw refusal(409, 'There is no second factor.')
      if (standing.required) throw refusal(409, 'Your organisation wants a second factor of your role.')
      await requirePassword(request, account, request.body.password)
      const { otp } = request.body
      const verdict = await guardAttempt(database.system, { ip: request.ip, email: account.email }, async () => {
        const value = await database.system.transaction((tx) => checkFactor(tx, factorSeal, account.id, otp))
        return { verdict: value === 'right' ? 'right' : 'wrong', value }
      })
      if (verdict !== 'right') throw factorWrong(400)
      const queue = await database.system.transaction(async (tx) => {
        await removeSecondFactor(tx, account.id)
        await note(tx, request, { action: 'two_factor.disable', entity_type: 'user', entity_id: account.id, details: {} })
        return mails.changed(tx, await receiverOf(tx, account), 'The second factor of your account was removed')
      })
      notifier.notify(queue)
      return reply.code(204).send()
    },
  )

  app.get('/auth/2fa/org-policy', { schema: { summary: 'Whose sign-in needs a second factor', tags, response: { 200: policy } } }, async (request) => {
    const { organization_id } = tenantOf(request)
    const { two_factor_roles } = await inOrganization(database.app, organization_id, (tx) => readAccountPolicy(tx, organization_id))
    return { required_roles: two_factor_roles as z.infer<typeof tenantRole>[] }
  })

  for (const method of ['PUT', 'PATCH'] as const) {
    app.route({
      method,
      url: '/auth/2fa/org-policy',
      schema: {
        summary: 'Say whose sign-in needs a second factor; who has none is signed out, and sets one up at the next sign-in',
        tags,
        body: policy,
        response: { 200: policy },
      },
      handler: async (request) => {
        const tenant = tenantOf(request)
        const { organization_id } = tenant
        const required_roles = [...new Set(request.body.required_roles)]
        await inOrganization(database.system, organization_id, async (tx) => {
          const own = await readFactorStanding(tx, { id: tenant.user_id, organization_id, role: tenant.role })
          if (required_roles.some((role) => role === tenant.role) && !own.enabled) {
            throw refusal(409, 'Set up your own second factor first: POST /api/v1/auth/2fa/enable.')
          }
          await writeAccountPolicy(tx, organization_id, { two_factor_roles: required_roles })
          const ended = await revokeTokensWithoutFactor(tx, organization_id, required_roles)
          await note(tx, request, { action: 'two_factor.policy', entity_type: 'organization', entity_id: organization_id, details: { required_roles, ended } })
        })
        bearers.changed()
        return { required_roles }
      },
    })
  }

  app.delete(
    '/users/:id/2fa',
    { schema: { summary: "Remove somebody's lost second factor, and sign that person out", tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const { organization_id } = tenantOf(request)
      const queue = await inOrganization(database.system, organization_id, async (tx) => {
        const person = await findPerson(tx, request.params.id)
        if (!person) throw notFound('user')
        if (!(await removeSecondFactor(tx, person.id))) throw refusal(409, 'This account has no second factor.')
        await revokeTokensOfUser(tx, person.id)
        await note(tx, request, { action: 'two_factor.reset', entity_type: 'user', entity_id: person.id, details: {} })
        return mails.changed(tx, await receiverOf(tx, person), 'An administrator removed the second factor of your account')
      })
      bearers.changed()
      notifier.notify(queue)
      return reply.code(204).send()
    },
  )
}
