import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { PRIORITIES } from '#db/job-inputs.ts'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { conditionSchema } from '#db/ticket-condition.ts'
import { newestTickets } from '#db/ticket-list.ts'
import { lockTicket, TICKET_STATES } from '#db/tickets.ts'
import { acceptTicket } from '../group-assignment.ts'
import { factsOf, notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { Tenant } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { assignTicket } from '../ticket-assignment.ts'
import { editTicket, moveTicket } from '../ticket-change.ts'
import type { Author } from '../ticket-change.ts'
import { runRules } from '../ticket-rules.ts'
import { ticketTags } from '../ticket-shapes.ts'
import { viewerOf } from '../ticket-view.ts'

const TICKETS_MAX = 200

const changes = z
  .strictObject({ priority: z.enum(PRIORITIES), tags: ticketTags, assignee_id: z.guid().nullable(), status: z.enum(TICKET_STATES) })
  .partial()
  .refine((given) => Object.keys(given).length > 0, 'must change something')
type Changes = z.infer<typeof changes>

const bulkBody = z
  .strictObject({
    ids: z.array(z.guid()).min(1).max(TICKETS_MAX).optional(),
    filter: conditionSchema.describe(`In place of ids: the newest ${TICKETS_MAX} tickets for which it holds`).optional(),
    changes,
    dry_run: z.boolean().describe('Only says what would become of each ticket; false changes them').default(true),
  })
  .refine(({ ids, filter }) => (ids === undefined) !== (filter === undefined), 'must have either ids or a filter')

const result = z.object({
  id: z.string(),
  outcome: z.enum(['changed', 'unchanged', 'refused']),
  status: z.enum(TICKET_STATES).nullable().describe('After the change; null where there is no such ticket'),
  detail: z.string().nullable().describe('Why it was refused'),
  allowed: z.array(z.enum(TICKET_STATES)).nullable().describe('The statuses that a ticket whose move was refused can have'),
})
type Result = z.infer<typeof result>
const report = z
  .object({ dry_run: z.boolean(), matched: z.number(), changed: z.number(), refused: z.number(), items: z.array(result) })
  .meta({ id: 'BulkTicketReport' })

/** Ends the transaction of a dry run: what it did is told, and undone. */
class Undone extends Error {
  override name = 'Undone'
}

export const ticketBulkRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  app.post(
    '/tickets/bulk',
    {
      schema: {
        summary: 'Change many tickets, each wholly or not at all; a dry run first',
        tags: ['tickets'],
        body: bulkBody,
        response: { 200: report },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { ids, filter, changes, dry_run } = request.body
      const items: Result[] = []
      const queues = new Set<string>()
      await inOrganization(database.app, tenant.organization_id, async (tx) => {
        const wanted = ids ?? (filter ? await newestTickets(tx, viewerOf(tenant), filter, TICKETS_MAX) : [])
        const inOrder = [...new Set(wanted)].toSorted()
        // All of them first and in one order, so that two of these at once do not wait for each other, or for a group.
        for (const id of inOrder) await lockTicket(tx, viewerOf(tenant), id)
        for (const id of inOrder) items.push(await changeOne(tx, tenant, request.id, id, changes, queues))
        if (dry_run) throw new Undone()
      }).catch((error: unknown) => {
        if (!(error instanceof Undone)) throw error
      })
      if (!dry_run) notifier.notify(...queues)
      const count = (outcome: Result['outcome']) => items.filter((item) => item.outcome === outcome).length
      const matched = items.filter((item) => item.status !== null).length
      return { dry_run, matched, changed: count('changed'), refused: count('refused'), items }
    },
  )
}

/** All that is wanted of one ticket, in a savepoint of its own. */
async function changeOne(
  tx: DatabaseTransactionConnection,
  tenant: Tenant,
  request_id: string,
  id: string,
  wanted: Changes,
  queues: Set<string>,
): Promise<Result> {
  const before = await lockTicket(tx, viewerOf(tenant), id)
  if (!before) return { id, outcome: 'refused', status: null, detail: notFound('ticket').message, allowed: null }
  try {
    const after = await tx.transaction((savepoint) => apply(savepoint, { ...tenant, request_id }, before, wanted, queues))
    return { id, outcome: after.version === before.version ? 'unchanged' : 'changed', status: after.status, detail: null, allowed: null }
  } catch (error) {
    const refused = error instanceof Error && 'statusCode' in error ? error : null
    if (!refused) throw error
    const allowed = factsOf(refused).members?.['allowed']
    return { id, outcome: 'refused', status: before.status, detail: refused.message, allowed: Array.isArray(allowed) ? (allowed as Result['allowed']) : null }
  }
}

async function apply(
  tx: DatabaseTransactionConnection,
  author: Author,
  before: NonNullable<Awaited<ReturnType<typeof lockTicket>>>,
  { priority, tags, assignee_id, status }: Changes,
  queues: Set<string>,
) {
  let ticket = before
  const steps = [
    ...(priority || tags ? [() => editTicket(tx, author, ticket, { ...(priority ? { priority } : {}), ...(tags ? { tags: [...new Set(tags)] } : {}) })] : []),
    ...(assignee_id === undefined ? [] : [() => assignTicket(tx, author, ticket, assignee_id)]),
    ...(status && status !== before.status
      ? [() => (status === 'accepted' ? acceptTicket(tx, author, ticket) : moveTicket(tx, author, ticket, { to: status, action: 'ticket.status' }))]
      : []),
  ]
  const caused: string[] = []
  for (const step of steps) {
    const changed = await step()
    ticket = changed.ticket
    caused.push(...changed.queues)
  }
  if (ticket.version === before.version) return ticket
  const ruled = await runRules(tx, author, ['updated'], { ticket, queues: caused })
  for (const queue of ruled.queues) queues.add(queue)
  return ruled.ticket
}
