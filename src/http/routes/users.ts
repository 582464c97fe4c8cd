import { randomUUID } from 'node:crypto'
import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { revokeTokensOfUser } from '#db/sessions.ts'
import { findPerson, insertUser, listPeople, lockAdmins, updatePerson } from '#db/users.ts'
import type { PersonChanges, PersonRow } from '#db/users.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { requireGoodPassword } from '../password-policy.ts'
import { hashPassword } from '../passwords.ts'
import { newPerson, personEdit, personSchema, tenantRole } from '../person-shapes.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { receiverOf } from '../sessions.ts'
import { uuidParams } from '../shapes.ts'

const peopleQuery = z.strictObject({
  role: tenantRole.optional(),
  is_active: z.enum(['true', 'false']).optional(),
  limit: limitQuery,
  cursor: cursorOf(z.tuple([z.string()])),
})

export const userRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, bearers, mails, notifier } }) => {
  const tags = ['organisation']

  /** Changes somebody, unless that leaves the organisation without an admin. Who gets another role or password, or loses the account, is signed out. */
  async function change(request: FastifyRequest, id: string, action: string, changes: PersonChanges): Promise<PersonRow> {
    // Sign-ins belong to the installation, so its role writes; every statement names the bound organisation.
    const changed = await inOrganization(database.system, tenantOf(request).organization_id, async (tx) => {
      const admins = await lockAdmins(tx)
      const before = await findPerson(tx, id)
      if (!before) throw notFound('user')
      const after = await updatePerson(tx, id, changes)
      if (admins.length === 1 && admins[0] === id && !(after.is_active && after.role === 'admin')) {
        throw refusal(409, 'This is the last admin of the organisation: name another one first.')
      }
      if (!after.is_active || after.role !== before.role || changes.password_hash !== undefined) await revokeTokensOfUser(tx, id)
      const shown = (person: PersonRow) => ({ full_name: person.full_name, role: person.role, is_active: person.is_active })
      const details = { from: shown(before), to: shown(after), password_changed: changes.password_hash !== undefined }
      await note(tx, request, { action, entity_type: 'user', entity_id: id, details })
      return after
    })
    bearers.changed()
    return changed
  }

  app.get(
    '/users',
    { schema: { summary: 'Users, by e-mail address', tags, querystring: peopleQuery, response: { 200: pageOf(personSchema) } } },
    async (request) => {
      const { limit, cursor, role = null, is_active } = request.query
      const filter = { role, is_active: is_active === undefined ? null : is_active === 'true' }
      const rows = await inOrganization(database.app, tenantOf(request).organization_id, (tx) =>
        listPeople(tx, filter, { after: cursor?.[0] ?? null, limit: limit + 1 }),
      )
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.email],
      )
    },
  )

  app.post('/users', { schema: { summary: 'Make a user', tags, body: newPerson, response: { 201: personSchema } } }, async (request, reply) => {
    const tenant = tenantOf(request)
    const { email, full_name, role } = request.body
    // Before the transaction: a hash takes some 20 ms, for which no connection has to wait.
    const { password } = request.body
    if (password !== undefined) await requireGoodPassword(password, [email, full_name])
    const password_hash = await hashPassword(password ?? randomUUID())
    let queues: string[] = []
    const answer = await inOrganization(database.system, tenant.organization_id, (tx) =>
      once(tx, request, tenant, async () => {
        const { id } = await insertUser(tx, { organization_id: tenant.organization_id, email, full_name, role, password_hash })
        await note(tx, request, { action: 'user.create', entity_type: 'user', entity_id: id, details: { email, role } })
        const made = await findPerson(tx, id)
        if (!made) throw notFound('user')
        if (password === undefined) queues = [await mails.invite(tx, await receiverOf(tx, made), made.id)]
        return made
      }),
    )
    notifier.notify(...queues)
    reply.header('location', `/api/v1/users/${(answer.body as { id: string }).id}`)
    return sendCreated(reply, answer)
  })

  app.get('/users/:id', { schema: { summary: 'A user', tags, params: uuidParams, response: { 200: personSchema } } }, async (request) => {
    const person = await inOrganization(database.app, tenantOf(request).organization_id, (tx) => findPerson(tx, request.params.id))
    if (!person) throw notFound('user')
    return person
  })

  app.patch(
    '/users/:id',
    {
      schema: {
        summary: 'Change a user; a new role or password ends every sign-in',
        tags,
        params: uuidParams,
        body: personEdit,
        response: { 200: personSchema },
      },
    },
    async (request) => {
      const { password, ...changes } = request.body
      if (password !== undefined) {
        const person = await inOrganization(database.app, tenantOf(request).organization_id, (tx) => findPerson(tx, request.params.id))
        if (!person) throw notFound('user')
        await requireGoodPassword(password, [person.email, person.full_name])
      }
      return change(request, request.params.id, 'user.update', {
        ...changes,
        ...(password === undefined ? {} : { password_hash: await hashPassword(password) }),
      })
    },
  )

  app.delete(
    '/users/:id',
    { schema: { summary: 'Close an account: its tickets and words stay', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      await change(request, request.params.id, 'user.deactivate', { is_active: false })
      return reply.code(204).send()
    },
  )
}
