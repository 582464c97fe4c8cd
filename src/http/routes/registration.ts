import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { readAccountPolicy, writeAccountPolicy } from '#db/account-policies.ts'
import { insertAudit } from '#db/audit.ts'
import { spendMailToken } from '#db/mail-tokens.ts'
import { findOrganization } from '#db/organizations.ts'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { findRegistration, insertRegistration, removeRegistrations, waitingRegistrations } from '#db/registrations.ts'
import { organizationIdOf } from '#db/slugs.ts'
import { accountsOf, insertUser } from '#db/users.ts'
import { CONFIRM_SECONDS } from '../account-mails.ts'
import { atLeast } from '../at-least.ts'
import { mayMail } from '../login-guard.ts'
import { note } from '../note.ts'
import { password, requireGoodPassword } from '../password-policy.ts'
import { hashPassword } from '../passwords.ts'
import { email, fullName } from '../person-shapes.ts'
import { refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { hashToken } from '../tokens.ts'

/** Longer than what happens where there is something to do. */
const ANSWER_MS = 250
const REGISTRATIONS_MAX = 5
const CONFIRMED_ONCE = 'This confirmation is not valid, or not any more. Ask for another one.'

const slug = z.string().min(1).max(63)
const registration = z.strictObject({ email, password, full_name: fullName, organization: slug.describe('The slug of the organisation whose customer one is') })
const policy = z.strictObject({ enabled: z.boolean().describe('Whether customers may make their own accounts') })
/** The same answer whatever there is: who asks learns nothing about anybody. */
export const mailed = z.object({ detail: z.string() })
export const MAILED = { detail: 'If there is something to do for this address, a mail is on its way.' }

/** Accounts that customers make themselves. Nobody signs in with an address that was not shown to be theirs. */
export const registrationRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, mails, notifier } }) => {
  const tags = ['auth']

  async function register(tx: DatabaseTransactionConnection, wanted: z.infer<typeof registration>, password_hash: string): Promise<string[]> {
    const organization_id = await organizationIdOf(tx, wanted.organization)
    if (organization_id === null || !(await readAccountPolicy(tx, organization_id)).registration_enabled) return []
    const organization = (await findOrganization(tx, organization_id))?.name ?? null
    const to = { organization_id, organization, email: wanted.email.toLowerCase() }
    if ((await accountsOf(tx, wanted.email, wanted.organization, 1)).length > 0) return [await mails.alreadyThere(tx, to)]
    const id = await insertRegistration(tx, {
      organization_id,
      email: wanted.email,
      full_name: wanted.full_name,
      password_hash,
      lifetime_seconds: CONFIRM_SECONDS,
    })
    return [await mails.confirm(tx, to, id)]
  }

  app.post(
    '/auth/register',
    {
      schema: {
        summary: "Ask for an account as a customer; it is made when the address is confirmed, by POST /auth/verify-email with the mail's token",
        tags,
        body: registration,
        response: { 202: mailed },
      },
    },
    (request, reply) =>
      atLeast(ANSWER_MS, async () => {
        const { body, ip } = request
        await requireGoodPassword(body.password, [body.email, body.full_name, body.organization])
        const password_hash = await hashPassword(body.password)
        if (await mayMail(database.system, { ip, email: body.email })) {
          notifier.notify(...(await database.system.transaction((tx) => register(tx, body, password_hash))))
        }
        return reply.code(202).send(MAILED)
      }),
  )

  app.post(
    '/auth/resend-verification',
    {
      schema: {
        summary: 'Have the confirmation of an address mailed again',
        tags,
        body: z.strictObject({ email, organization: slug.optional() }),
        response: { 202: mailed },
      },
    },
    (request, reply) =>
      atLeast(ANSWER_MS, async () => {
        const { body, ip } = request
        if (await mayMail(database.system, { ip, email: body.email })) {
          const queues = await database.system.transaction(async (tx) => {
            const waiting = await waitingRegistrations(tx, body.email, body.organization ?? null, REGISTRATIONS_MAX)
            const enqueued: string[] = []
            for (const { id, organization_id, organization_name, email: to } of waiting) {
              enqueued.push(await mails.confirm(tx, { organization_id, organization: organization_name, email: to }, id))
            }
            return enqueued
          })
          notifier.notify(...queues)
        }
        return reply.code(202).send(MAILED)
      }),
  )

  app.post(
    '/auth/verify-email',
    {
      schema: {
        summary: 'Confirm an address: the account is there, and can sign in',
        tags,
        body: z.strictObject({ token: z.string().min(1).max(200) }),
        response: { 200: z.object({ email: z.string(), organization: z.string().describe('The slug') }) },
      },
    },
    async (request) => {
      const made = await database.system.transaction(async (tx) => {
        const spent = await spendMailToken(tx, hashToken(request.body.token), 'registration')
        const wanted = spent?.registration_id ? await findRegistration(tx, spent.registration_id) : null
        if (!wanted) return null
        const { organization_id, email: address, full_name, password_hash } = wanted
        const user = await insertUser(tx, { organization_id, email: address, full_name, password_hash, role: 'customer_user' })
        await removeRegistrations(tx, organization_id, address)
        const act = { action: 'user.register', entity_type: 'user', entity_id: user.id, details: { email: address } }
        await insertAudit(tx, { organization_id, actor_id: user.id, ...act, request_id: request.id })
        return { email: address, organization: wanted.organization_slug }
      })
      if (!made) throw refusal(400, CONFIRMED_ONCE, { errors: [{ location: 'body', path: 'token', message: 'is not valid' }] })
      return made
    },
  )

  app.get('/auth/registration', { schema: { summary: 'Whether customers may make their own accounts', tags, response: { 200: policy } } }, async (request) => {
    const { organization_id } = tenantOf(request)
    const { registration_enabled } = await inOrganization(database.app, organization_id, (tx) => readAccountPolicy(tx, organization_id))
    return { enabled: registration_enabled }
  })

  app.patch(
    '/auth/registration',
    { schema: { summary: 'Let customers make their own accounts, or not', tags, body: policy, response: { 200: policy } } },
    (request) => {
      const { organization_id } = tenantOf(request)
      const { enabled } = request.body
      return inOrganization(database.app, organization_id, async (tx) => {
        await writeAccountPolicy(tx, organization_id, { registration_enabled: enabled })
        await note(tx, request, { action: 'registration.update', entity_type: 'organization', entity_id: organization_id, details: { enabled } })
        return { enabled }
      })
    },
  )
}
