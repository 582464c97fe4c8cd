import { Readable } from 'node:stream'
import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { auditRow, listAudit, listAuditAfter } from '#db/audit.ts'
import type { AuditFilter, AuditRow } from '#db/audit.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { instant } from '../shapes.ts'
import type { Identity } from '../tokens.ts'

const ACTION_CHARS = 100

/** How long an export may take. */
const EXPORT_MAX_MS = 3_600_000
/** An export reads so many rows at a time, each page in a transaction of its own. */
const EXPORT_PAGE = 500

const filters = {
  action: z
    .string()
    .max(ACTION_CHARS)
    .regex(/^[a-z_]+\.[a-z_]+$/, 'must be thing.verb')
    .optional(),
  actor_id: z.guid().optional(),
  entity_type: z
    .string()
    .max(ACTION_CHARS)
    .regex(/^[a-z_]+$/, 'must be a thing')
    .optional(),
  entity_id: z
    .guid()
    .or(z.string().regex(/^\d{1,15}$/))
    .describe('With entity_type: what happened to one thing')
    .optional(),
  since: instant.optional(),
  until: instant.optional(),
  organization_id: z.guid().describe('For operators; everybody else reads the own organisation').optional(),
}
const auditQuery = z.strictObject({ ...filters, limit: limitQuery, cursor: cursorOf(z.tuple([z.int()])) })
const exportQuery = z.strictObject(filters)

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
      const { limit, cursor, ...query } = request.query
      const filter = filterOf(query, identity)
      const rows = await inScope(database, identity, (tx) => listAudit(tx, filter, { before: cursor?.[0] ?? null, limit: limit + 1 }))
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.id],
      )
    },
  )

  app.get(
    '/audit/export',
    {
      schema: {
        summary: 'The audit as JSON lines, the oldest first; seq and hash are those that `atum-desk audit verify` follows',
        tags: ['audit'],
        description: 'application/x-ndjson: one AuditEntry a line.',
        querystring: exportQuery,
      },
      handlerTimeout: EXPORT_MAX_MS,
    },
    async (request, reply) => {
      const identity = identityOf(request)
      const filter = filterOf(request.query, identity)
      const page = (after: number) => inScope(database, identity, (tx) => listAuditAfter(tx, filter, { after, limit: EXPORT_PAGE }))
      return reply
        .type('application/x-ndjson')
        .header('content-disposition', 'attachment; filename="audit.ndjson"')
        .send(Readable.from(linesOf(page), { objectMode: false }))
    },
  )
}

/** What is read is sent before more is read: a slow reader costs one page of memory. */
async function* linesOf(page: (after: number) => Promise<readonly AuditRow[]>): AsyncGenerator<string> {
  for (let rows = await page(0); rows.length > 0; rows = await page(rows.at(-1)!.id)) {
    yield rows.map((row) => `${JSON.stringify(row)}\n`).join('')
  }
}

function filterOf(query: z.output<typeof exportQuery>, { organization_id }: Identity): AuditFilter {
  return {
    action: query.action ?? null,
    actor_id: query.actor_id ?? null,
    entity_type: query.entity_type ?? null,
    entity_id: query.entity_id ?? null,
    since: query.since ?? null,
    until: query.until ?? null,
    // An index leads with the organisation, so an organisation's own is named, beside row-level security.
    organization_id: query.organization_id ?? organization_id,
  }
}
