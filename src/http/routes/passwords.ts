import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { insertAudit } from '#db/audit.ts'
import { endMailTokensOf, spendMailToken } from '#db/mail-tokens.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { revokeTokensOfUser } from '#db/sessions.ts'
import { accountsOf, findAccount, findUser, setPassword } from '#db/users.ts'
import type { UserRow } from '#db/users.ts'
import { atLeast } from '../at-least.ts'
import { guardAttempt, mayMail } from '../login-guard.ts'
import { password, requireGoodPassword } from '../password-policy.ts'
import { hashPassword, verifyPassword } from '../passwords.ts'
import { email } from '../person-shapes.ts'
import { refusal } from '../refusal.ts'
import { identityOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { receiverOf } from '../sessions.ts'
import { hashToken } from '../tokens.ts'
import { MAILED, mailed } from './registration.ts'

/** Longer than what happens where there is something to do. */
const ANSWER_MS = 250
const ACCOUNTS_MAX = 5

const forgotten = z.strictObject({ email, organization: z.string().min(1).max(63).describe('The slug; without it, one mail for each account').optional() })

export const passwordRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, mails, notifier, bearers } }) => {
  const tags = ['auth']

  /** Sets a password: whoever was signed in, or held a mail that lets set one, is not any more. */
  async function change(tx: DatabaseTransactionConnection, user: UserRow, hash: string, by: { action: string; request_id: string }): Promise<string> {
    await setPassword(tx, user.id, hash)
    await revokeTokensOfUser(tx, user.id)
    await endMailTokensOf(tx, user.id)
    const { organization_id, id } = user
    await insertAudit(tx, { organization_id, actor_id: id, action: by.action, entity_type: 'user', entity_id: id, details: {}, request_id: by.request_id })
    return mails.changed(tx, await receiverOf(tx, user), 'Your password was changed')
  }

  app.post(
    '/auth/forgot-password',
    { schema: { summary: 'Have a mail sent that lets its reader set a new password', tags, body: forgotten, response: { 202: mailed } } },
    (request, reply) =>
      atLeast(ANSWER_MS, async () => {
        const { body, ip } = request
        if (await mayMail(database.system, { ip, email: body.email })) {
          const queues = await database.system.transaction(async (tx) => {
            const enqueued: string[] = []
            for (const account of await accountsOf(tx, body.email, body.organization ?? null, ACCOUNTS_MAX)) {
              enqueued.push(await mails.reset(tx, await receiverOf(tx, account), account.id))
            }
            return enqueued
          })
          notifier.notify(...queues)
        }
        return reply.code(202).send(MAILED)
      }),
  )

  app.post(
    '/auth/reset-password',
    {
      schema: {
        summary: "Set a new password with a mail's token; every sign-in of the account ends",
        tags,
        body: z.strictObject({ token: z.string().min(1).max(200), password }),
        response: { 204: z.void() },
      },
    },
    async (request, reply) => {
      const { token, password } = request.body
      const hash = await hashPassword(password)
      const queue = await database.system.transaction(async (tx) => {
        const spent = await spendMailToken(tx, hashToken(token), 'account')
        const user = spent?.user_id ? await findUser(tx, spent.user_id) : null
        if (!user?.is_active) return null
        // Refused within the transaction: the token is good for another try.
        await requireGoodPassword(password, [user.email, user.full_name])
        return change(tx, user, hash, { action: 'user.reset_password', request_id: request.id })
      })
      if (queue === null) {
        throw refusal(400, 'This mail is not valid, or not any more. Ask for another one.', {
          errors: [{ location: 'body', path: 'token', message: 'is not valid' }],
        })
      }
      bearers.changed()
      notifier.notify(queue)
      return reply.code(204).send()
    },
  )

  app.post(
    '/auth/password',
    {
      schema: {
        summary: 'Change the own password; every sign-in of the account ends, this one too',
        tags,
        body: z.strictObject({ current_password: z.string().min(1).max(1_000), password }),
        response: { 204: z.void() },
      },
    },
    async (request, reply) => {
      const { current_password, password } = request.body
      const account = await findAccount(database.system, identityOf(request).user_id)
      if (!account?.is_active) throw refusal(401, 'This account is not active.')
      const right = await guardAttempt(database.system, { ip: request.ip, email: account.email }, async () => {
        const value = await verifyPassword(account.password_hash, current_password)
        return { verdict: value ? 'right' : 'wrong', value }
      })
      if (!right) throw refusal(403, 'This is not your password.', { errors: [{ location: 'body', path: 'current_password', message: 'is wrong' }] })
      await requireGoodPassword(password, [account.email, account.full_name])
      const hash = await hashPassword(password)
      notifier.notify(await database.system.transaction((tx) => change(tx, account, hash, { action: 'user.change_password', request_id: request.id })))
      bearers.changed()
      return reply.code(204).send()
    },
  )
}
