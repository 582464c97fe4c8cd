import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { auditRow, listAudit } from '#db/audit.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'

const ACTION_CHARS = 100

const auditQuery = z.strictObject({
  action: z
    .string()
    .max(ACTION_CHARS)
    .regex(/^[a-z_]+\.[a-z_]+$/, 'must be thing.verb')
    .optional(),
  actor_id: z.guid().optional(),
  organization_id: z.guid().describe('For operators; everybody else reads the own organisation').optional(),
  limit: limitQuery,
  cursor: cursorOf(z.tuple([z.int()])),
})

export const auditRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  app.get(
    '/audit',
    {
      schema: {
        summary: 'Who did what, the newest first',
        tags: ['audit'],
        querystring: auditQuery,
        response: { 200: pageOf(auditRow.meta({ id: 'AuditEntry' })) },
      },
    },
    async (request) => {
      const identity = identityOf(request)
      const { limit, cursor, action = null, actor_id = null, organization_id = null } = request.query
      // An index leads with the organisation, so an organisation's own is named, beside row-level security.
      const filter = { action, actor_id, organization_id: organization_id ?? identity.organization_id }
      const rows = await inScope(database, identity, (tx) => listAudit(tx, filter, { before: cursor?.[0] ?? null, limit: limit + 1 }))
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.id],
      )
    },
  )
}
