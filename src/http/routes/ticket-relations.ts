import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import {
  countRelations,
  deleteRelation,
  findAbove,
  findRelation,
  insertRelation,
  listRelations,
  lockRelations,
  RELATION_TYPES,
  relationRow,
  wouldCircle,
} from '#db/ticket-relations.ts'
import type { RelationRow, RelationType } from '#db/ticket-relations.ts'
import { findTicket } from '#db/tickets.ts'
import type { TicketRow } from '#db/tickets.ts'
import { once, sendCreated } from '../idempotency.ts'
import { note } from '../note.ts'
import { notFound, refusal } from '../refusal.ts'
import { reindexSolved } from '../reindex.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, uuidParams } from '../shapes.ts'
import { viewerOf } from '../ticket-view.ts'

const RELATIONS_MAX = 200

const newRelation = z.strictObject({ type: z.enum(RELATION_TYPES).describe('What the other ticket is to this one'), ticket_id: z.guid().toLowerCase() })
const relationParams = uuidParams.extend({ relation_id: z.guid() })
const relationSchema = relationRow
  .extend({ type: relationRow.shape.type.describe('What the other ticket is to this one'), created_at: z.date() })
  .meta({ id: 'TicketRelation' })
const REVERSED: Record<RelationType, RelationType> = {
  parent: 'child',
  child: 'parent',
  duplicate_of: 'duplicated_by',
  duplicated_by: 'duplicate_of',
  related: 'related',
}

export const ticketRelationRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['tickets']

  app.get(
    '/tickets/:id/relations',
    { schema: { summary: 'How a ticket stands to others', tags, params: uuidParams, response: { 200: listOf(relationSchema) } } },
    async (request) => {
      const tenant = tenantOf(request)
      return inOrganization(database.app, tenant.organization_id, async (tx) => {
        if (!(await findTicket(tx, viewerOf(tenant), request.params.id))) throw notFound('ticket')
        return { items: [...(await listRelations(tx, viewerOf(tenant), request.params.id, RELATIONS_MAX))] }
      })
    },
  )

  app.post(
    '/tickets/:id/relations',
    {
      schema: {
        summary: 'Relate a ticket to another; 409 where a ticket would come to be above itself, or has a parent already',
        tags,
        params: uuidParams,
        body: newRelation,
        response: { 201: relationSchema },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const { type, ticket_id: other_id } = request.body
      let queues: string[] = []
      const answer = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        const ticket = await findTicket(tx, viewerOf(tenant), request.params.id)
        if (!ticket) throw notFound('ticket')
        return once(tx, request, tenant, async () => {
          const other = await findTicket(tx, viewerOf(tenant), other_id)
          if (!other || other.id === ticket.id) throw badOther(other ? 'is this ticket' : 'does not exist')
          const relation = await relate(tx, ticket, type, other, tenant.user_id)
          await noteBoth(tx, request, 'relation.create', ticket, relation)
          queues = await reindexSolved(tx, tenant.organization_id, [ticket.id, other.id])
          return relation
        })
      })
      notifier.notify(...queues)
      return sendCreated(reply, answer)
    },
  )

  app.delete(
    '/tickets/:id/relations/:relation_id',
    { schema: { summary: 'Part two tickets', tags, params: relationParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const queues = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        const ticket = await findTicket(tx, viewerOf(tenant), request.params.id)
        const relation = ticket && (await findRelation(tx, ticket.id, request.params.relation_id))
        if (!relation) throw notFound('relation')
        await deleteRelation(tx, relation.id)
        await noteBoth(tx, request, 'relation.delete', ticket, relation)
        return reindexSolved(tx, tenant.organization_id, [ticket.id, relation.ticket.id])
      })
      notifier.notify(...queues)
      return reply.code(204).send()
    },
  )
}

async function relate(tx: DatabaseTransactionConnection, ticket: TicketRow, type: RelationType, other: TicketRow, created_by: string): Promise<RelationRow> {
  await lockRelations(tx)
  for (const { id, number } of [ticket, other]) {
    if ((await countRelations(tx, id)) >= RELATIONS_MAX) throw refusal(409, `Ticket ${number} has ${RELATIONS_MAX} relations already.`)
  }
  if (await wouldCircle(tx, ticket.id, type, other.id)) {
    throw refusal(409, 'A ticket would come to be above itself.', { type: 'urn:atum-desk:problem:relation-circle' })
  }
  const above = await findAbove(tx, ticket.id, type, other.id)
  if (above !== null) {
    const taken = type === 'parent' || type === 'child' ? 'has a parent already' : 'is a duplicate of another already'
    throw refusal(409, `The ticket below ${taken}.`, { members: { above_id: above } })
  }
  const id = await insertRelation(tx, ticket.id, { type, other_id: other.id, created_by })
  const relation = id && (await findRelation(tx, ticket.id, id))
  if (!relation) throw refusal(409, 'The two are related so already.')
  return relation
}

/** Both tickets tell of it, each from its side; customers may not know of the other one. */
async function noteBoth(tx: DatabaseTransactionConnection, request: FastifyRequest, action: string, ticket: TicketRow, relation: RelationRow): Promise<void> {
  const sides = [
    { of: ticket.id, type: relation.type, other: relation.ticket },
    { of: relation.ticket.id, type: REVERSED[relation.type], other: ticket },
  ]
  for (const { of, type, other } of sides) {
    const details = { relation_id: relation.id, type, ticket_id: other.id, number: other.number, is_internal: true }
    await note(tx, request, { action, entity_type: 'ticket', entity_id: of, details })
  }
}

function badOther(message: string): Error {
  return refusal(422, 'There is no such other ticket.', { errors: [{ location: 'body', path: 'ticket_id', message }] })
}
