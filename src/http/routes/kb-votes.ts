import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { lockSuggestion, tallyRow, tallyVotes, upsertVote } from '#db/kb-votes.ts'
import { inOrganization } from '#db/pool.ts'
import { findTicket } from '#db/tickets.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { isStaff, viewerOf } from '../ticket-view.ts'

const vote = z.strictObject({ suggestion_id: z.guid(), is_helpful: z.boolean() })

export const kbVoteRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  app.post(
    '/kb/suggestions/vote',
    {
      schema: {
        summary: 'Say whether a suggested article helps: one vote a user, and the last one counts',
        tags: ['knowledge base'],
        body: vote,
        response: { 200: tallyRow.meta({ id: 'KbSuggestionVotes' }) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { suggestion_id, is_helpful } = request.body
      return inOrganization(database.app, tenant.organization_id, async (tx) => {
        const suggestion = await lockSuggestion(tx, suggestion_id)
        const isShown = suggestion && (suggestion.is_public || isStaff(tenant)) && (await findTicket(tx, viewerOf(tenant), suggestion.ticket_id))
        if (!isShown) throw notFound('suggestion')
        await upsertVote(tx, { suggestion_id, user_id: tenant.user_id, is_helpful })
        return tallyVotes(tx, suggestion_id, is_helpful)
      })
    },
  )
}
