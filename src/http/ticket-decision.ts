import type { FastifyReply, FastifyRequest } from 'fastify'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { lockTicket } from '#db/tickets.ts'
import type { TicketRow } from '#db/tickets.ts'
import { etagOf, requireMatch } from './etag.ts'
import { notFound } from './refusal.ts'
import { tenantOf } from './scope.ts'
import type { Services } from './services.ts'
import type { Author, Changed } from './ticket-change.ts'
import { runRules } from './ticket-rules.ts'
import { viewerOf } from './ticket-view.ts'

/** One decision about one ticket that the asker sees, which nobody else changes meanwhile, held to the version in If-Match. */
export async function decideOn(
  { database, notifier }: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  id: string,
  decision: (tx: DatabaseTransactionConnection, author: Author, ticket: TicketRow) => Promise<Changed>,
): Promise<TicketRow> {
  const tenant = tenantOf(request)
  const { ticket, queues } = await inOrganization(database.app, tenant.organization_id, async (tx) => {
    const locked = await lockTicket(tx, viewerOf(tenant), id)
    if (!locked) throw notFound('ticket')
    requireMatch(request, locked)
    const author = { ...tenant, request_id: request.id }
    const changed = await decision(tx, author, locked)
    return changed.ticket.version === locked.version ? changed : runRules(tx, author, ['updated'], changed)
  })
  notifier.notify(...queues)
  reply.header('etag', etagOf(ticket))
  return ticket
}
