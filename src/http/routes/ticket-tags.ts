import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { tagCount, tagsInUse } from '#db/ticket-tags.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, uuidParams } from '../shapes.ts'
import { editTicket } from '../ticket-change.ts'
import { decideOn } from '../ticket-decision.ts'
import { TAGS_MAX, ticketSchema, ticketTag, ticketTags } from '../ticket-shapes.ts'

const TAGS_LISTED = 200

const added = z.strictObject({ tags: ticketTags.min(1) })
const tagParams = uuidParams.extend({ tag: ticketTag })

/** Tags one by one: two who add one each at once both succeed, where two who write the whole list undo each other. */
export const ticketTagRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services }) => {
  const tags = ['tickets']
  const response = { 200: ticketSchema }

  app.get(
    '/tags',
    { schema: { summary: 'Tags of the newest tickets, the most frequent first', tags, response: { 200: listOf(tagCount.meta({ id: 'TagCount' })) } } },
    async (request) => ({ items: [...(await inOrganization(services.database.app, tenantOf(request).organization_id, (tx) => tagsInUse(tx, TAGS_LISTED)))] }),
  )

  app.post('/tickets/:id/tags', { schema: { summary: 'Add tags to a ticket', tags, params: uuidParams, body: added, response } }, (request, reply) =>
    decideOn(services, request, reply, request.params.id, (tx, author, ticket) => {
      const wanted = [...new Set([...ticket.tags, ...request.body.tags])]
      if (wanted.length > TAGS_MAX)
        throw refusal(422, `A ticket has at most ${TAGS_MAX} tags.`, { errors: [{ location: 'body', path: 'tags', message: 'are too many' }] })
      return editTicket(tx, author, ticket, { tags: wanted })
    }),
  )

  app.delete('/tickets/:id/tags/:tag', { schema: { summary: 'Take a tag from a ticket', tags, params: tagParams, response } }, (request, reply) =>
    decideOn(services, request, reply, request.params.id, (tx, author, ticket) => {
      if (!ticket.tags.includes(request.params.tag)) throw notFound('tag of this ticket')
      return editTicket(tx, author, ticket, { tags: ticket.tags.filter((tag) => tag !== request.params.tag) })
    }),
  )
}
