import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { listPredictions, predictionRow } from '#db/sla-standings.ts'
import { findTicket } from '#db/tickets.ts'
import { simulate, simulation } from '#sla/simulate.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { readTicketSla, ticketSla } from '../sla-view.ts'
import { viewerOf } from '../ticket-view.ts'

/** A simulation may walk through forty years of openings: nobody needs many of them. */
const SIMULATIONS_PER_MINUTE = 600

const predictionQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.number().min(0).max(1), z.int()])) })
const predictionSchema = predictionRow.meta({ id: 'SlaPrediction' })

const simulated = z
  .object({
    due_at: z.string().nullable(),
    remaining_seconds: z.number().nullable(),
    elapsed_seconds: z.number().describe('To `end`, or to the last thing that happened'),
    breached_at: z.string().nullable(),
    cycles: z.number(),
    warnings: z.array(z.object({ percent: z.number().optional(), minutes_before: z.number().optional(), at: z.string() })),
    intervals: z.array(z.object({ from: z.string(), to: z.string(), counted_seconds: z.number() })),
  })
  .meta({ id: 'SimulatedClock' })

export const slaRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['SLA']

  app.post(
    '/sla/simulate',
    {
      schema: { summary: 'Run a clock that is nobody’s', tags, body: simulation, response: { 200: simulated } },
      config: { rateLimit: { max: SIMULATIONS_PER_MINUTE, timeWindow: '1 minute' } },
    },
    async (request) => simulate(request.body),
  )

  app.get(
    '/tickets/:id/sla',
    { schema: { summary: 'How the clocks of a ticket stand, and why', tags, params: uuidParams, response: { 200: ticketSla } } },
    async (request) => {
      const tenant = tenantOf(request)
      const sla = await inOrganization(database.app, tenant.organization_id, async (tx) =>
        (await findTicket(tx, viewerOf(tenant), request.params.id)) ? readTicketSla(tx, request.params.id) : null,
      )
      if (!sla) throw notFound('ticket')
      return sla
    },
  )

  app.get(
    '/ai/sla/predictions',
    { schema: { summary: 'Open tickets, the likeliest breach first', tags, querystring: predictionQuery, response: { 200: pageOf(predictionSchema) } } },
    async (request) => {
      const { limit, cursor } = request.query
      const after = cursor ? { risk: cursor[0], number: cursor[1] } : null
      const rows = await inOrganization(database.app, tenantOf(request).organization_id, (tx) => listPredictions(tx, { after, limit: limit + 1 }))
      return toPage(
        rows,
        limit,
        (row) => row,
        (row) => [row.sla_risk_score, row.number],
      )
    },
  )
}
