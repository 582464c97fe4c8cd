import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { replaceRecoveryCodes } from '#db/second-factors.ts'
import { findAccount } from '#db/users.ts'
import { guardAttempt } from '../login-guard.ts'
import type { Attempt } from '../login-guard.ts'
import { note } from '../note.ts'
import { refusal } from '../refusal.ts'
import { identityOf } from '../scope.ts'
import { checkFactor, factorWrong, newRecoveryCodes } from '../second-factor.ts'
import type { FactorVerdict } from '../second-factor.ts'
import type { RouteOptions } from '../services.ts'
import { receiverOf } from '../sessions.ts'

export const recoveryCodeRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, factorSeal, mails, notifier } }) => {
  app.post(
    '/auth/2fa/recovery-codes',
    {
      schema: {
        summary: 'Make new recovery codes; the old ones end',
        tags: ['auth'],
        body: z.strictObject({ otp: z.string().min(6).max(20).describe('A code of the app, or one of the old recovery codes') }),
        response: { 200: z.object({ recovery_codes: z.array(z.string()).describe('Each good for one sign-in without the app. Shown this once') }) },
      },
    },
    async (request) => {
      const account = await findAccount(database.system, identityOf(request).user_id)
      if (!account?.is_active) throw refusal(401, 'This account is not active.')
      const codes = newRecoveryCodes(account.id)
      const { verdict, queue } = await guardAttempt(database.system, { ip: request.ip, email: account.email }, () =>
        database.system.transaction(async (tx): Promise<Attempt<{ verdict: FactorVerdict; queue: string | null }>> => {
          const verdict = await checkFactor(tx, factorSeal, account.id, request.body.otp)
          if (verdict !== 'right') return { verdict: verdict === 'none needed' ? 'incomplete' : 'wrong', value: { verdict, queue: null } }
          const owner = { user_id: account.id, organization_id: account.organization_id }
          await replaceRecoveryCodes(
            tx,
            owner,
            codes.map(({ hash }) => hash),
          )
          await note(tx, request, { action: 'two_factor.recovery_codes', entity_type: 'user', entity_id: account.id, details: {} })
          const queue = await mails.changed(tx, await receiverOf(tx, account), 'New recovery codes were made for your account')
          return { verdict: 'right', value: { verdict, queue } }
        }),
      )
      if (verdict === 'none needed') throw refusal(409, 'There is no second factor.')
      if (queue === null) throw factorWrong(400)
      notifier.notify(queue)
      return { recovery_codes: codes.map(({ code }) => code) }
    },
  )
}
