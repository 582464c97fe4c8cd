import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { findOrganization, insertOrganization, listedOrganization, listOrganizations, renameOrganization } from '#db/organizations.ts'
import { inOrganization } from '#db/pool.ts'
import { insertUser } from '#db/users.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { password, requireGoodPassword } from '../password-policy.ts'
import { hashPassword } from '../passwords.ts'
import { email, fullName } from '../person-shapes.ts'
import { notFound } from '../refusal.ts'
import { identityOf, tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'

const NAME_CHARS = 200

const name = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
const newOrganization = z.strictObject({
  slug: z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be 1 to 63 small letters, digits and hyphens between them'),
  name,
  admin: z.strictObject({ email, full_name: fullName, password }).describe('The first admin, who makes all other users').optional(),
})
const organizationSchema = listedOrganization.omit({ created_at: true }).meta({ id: 'Organization' })
const organizationQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.string()])) })

export const organizationRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['organisation']

  app.get('/organization', { schema: { summary: 'The own organisation', tags, response: { 200: organizationSchema } } }, async (request) => {
    const { organization_id } = tenantOf(request)
    const organization = await inOrganization(database.app, organization_id, (tx) => findOrganization(tx, organization_id))
    if (!organization) throw notFound('organisation')
    return organization
  })

  app.patch(
    '/organization',
    { schema: { summary: 'Rename the own organisation', tags, body: z.strictObject({ name }), response: { 200: organizationSchema } } },
    (request) => {
      const { organization_id } = tenantOf(request)
      return inOrganization(database.app, organization_id, async (tx) => {
        const organization = await renameOrganization(tx, request.body.name)
        await note(tx, request, {
          action: 'organization.update',
          entity_type: 'organization',
          entity_id: organization_id,
          details: { name: organization.name },
        })
        return organization
      })
    },
  )

  app.get(
    '/organizations',
    {
      schema: {
        summary: 'All organisations, by slug',
        tags,
        querystring: organizationQuery,
        response: { 200: pageOf(listedOrganization.meta({ id: 'ListedOrganization' })) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query
      const rows = await listOrganizations(database.system, { after: cursor?.[0] ?? null, limit: limit + 1 })
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.slug],
      )
    },
  )

  app.post(
    '/organizations',
    { schema: { summary: 'Make an organisation, with its first admin', tags, body: newOrganization, response: { 201: organizationSchema } } },
    async (request, reply) => {
      const { slug, name, admin } = request.body
      if (admin) await requireGoodPassword(admin.password, [admin.email, admin.full_name, slug, name], 'admin.password')
      const password_hash = admin && (await hashPassword(admin.password))
      const answer = await database.system.transaction((tx) =>
        once(tx, request, identityOf(request), async (keep) => {
          const body = await insertOrganization(tx, { slug, name })
          if (admin && password_hash) {
            await insertUser(tx, { organization_id: body.id, email: admin.email, full_name: admin.full_name, role: 'admin', password_hash })
          }
          // An operator's kept answer is found again in this audit row.
          const details = { slug, admin: admin?.email ?? null, ...(keep ? { idempotency: { ...keep, body } } : {}) }
          await note(tx, request, { action: 'organization.create', entity_type: 'organization', entity_id: body.id, details })
          return body
        }),
      )
      return sendCreated(reply, answer)
    },
  )
}
