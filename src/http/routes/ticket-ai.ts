import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { LIMITS } from '#config.ts'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { kbSuggestionRow, listKbSuggestions, listSuggestions, suggestionRow } from '#db/ticket-ai.ts'
import { findTicket } from '#db/tickets.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { Tenant } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf, uuidParams } from '../shapes.ts'
import { isStaff, viewerOf } from '../ticket-view.ts'
import { triageView, viewTriage } from '../triage-view.ts'

export const ticketAiRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['ticket AI']

  /** Reads for a ticket that the asker sees. */
  async function ofTicket<T>(request: FastifyRequest, id: string, read: (tx: DatabaseTransactionConnection, tenant: Tenant) => Promise<T>): Promise<T> {
    const tenant = tenantOf(request)
    return inOrganization(database.app, tenant.organization_id, async (tx) => {
      if (!(await findTicket(tx, viewerOf(tenant), id))) throw notFound('ticket')
      return read(tx, tenant)
    })
  }

  app.get(
    '/tickets/:id/triage',
    { schema: { summary: 'What triage suggests, and why', tags, params: uuidParams, response: { 200: triageView } } },
    async (request) => {
      const { id } = request.params
      return ofTicket(request, id, (tx) => viewTriage(tx, id))
    },
  )

  app.get(
    '/tickets/:id/suggestions',
    {
      schema: {
        summary: 'Replies that are offered and neither used nor expired',
        tags,
        params: uuidParams,
        response: { 200: listOf(suggestionRow.meta({ id: 'Suggestion' })) },
      },
    },
    async (request) => ({ items: [...(await ofTicket(request, request.params.id, (tx) => listSuggestions(tx, request.params.id)))] }),
  )

  app.get(
    '/tickets/:id/kb-suggestions',
    { schema: { summary: 'Articles that may help', tags, params: uuidParams, response: { 200: listOf(kbSuggestionRow.meta({ id: 'KbSuggestion' })) } } },
    async (request) => {
      const { id } = request.params
      return { items: [...(await ofTicket(request, id, (tx, tenant) => listKbSuggestions(tx, id, { internal: isStaff(tenant) }, LIMITS.PAGE_MAX)))] }
    },
  )
}
