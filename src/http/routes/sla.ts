import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { inOrganization } from '#db/pool.ts'
import { listSlaModels, scoredPredictions, trainingRow } from '#db/sla-risk.ts'
import { listPredictions, predictionRow } from '#db/sla-standings.ts'
import { changeTicketPolicy, findPolicy } from '#db/sla-policies.ts'
import { findTicket, lockTicket } from '#db/tickets.ts'
import { scoreRisks } from '#sla/risk-measures.ts'
import { simulate, simulation } from '#sla/simulate.ts'
import type { Simulation } from '#sla/simulate.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { note } from '../note.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { recheckClocks } from '../sla-replan.ts'
import { readTicketSla, ticketSla } from '../sla-view.ts'
import { replan } from '../ticket-change.ts'
import { isStaff, viewerOf } from '../ticket-view.ts'

const SIMULATIONS_PER_MINUTE = 600
/** Openings that a simulation walks through at most: some 10 µs and 80 bytes of answer each. */
const OPENINGS_MAX = 50_000
/** Ten a day: with more, and no end, a rare target would be looked for through forty years of them. */
const OPENINGS_PER_WEEK_MAX = 70
const WEEK_MS = 7 * 86_400_000

const predictionQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.number().min(0).max(1), z.int()])) })
const predictionSchema = predictionRow.meta({ id: 'SlaPrediction' })

/** The newest scored predictions that the quality is told of. */
const SCORED_MAX = 5_000
const scores = z.object({
  basis: z.string(),
  rows: z.number(),
  auc: z.number().nullable(),
  brier: z.number(),
  ece: z.number(),
  auc_elapsed_share: z.number().nullable(),
  brier_elapsed_share: z.number(),
})
const quality = z
  .object({ predictions: z.array(scores).describe('By what they were come by, held against what happened'), trainings: z.array(trainingRow) })
  .meta({ id: 'SlaPredictionQuality' })

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

export const slaRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['SLA']

  app.post(
    '/sla/simulate',
    {
      schema: { summary: 'Run a clock that is nobody’s', tags, body: simulation, response: { 200: simulated } },
      config: { rateLimit: { max: SIMULATIONS_PER_MINUTE, timeWindow: '1 minute' } },
    },
    async (request) => {
      boundWork(request.body)
      return simulate(request.body)
    },
  )

  app.get(
    '/tickets/:id/sla',
    { schema: { summary: 'How the clocks of a ticket stand, and why', tags, params: uuidParams, response: { 200: ticketSla } } },
    async (request) => {
      const tenant = tenantOf(request)
      const sla = await inOrganization(database.app, tenant.organization_id, async (tx) =>
        (await findTicket(tx, viewerOf(tenant), request.params.id)) ? readTicketSla(tx, request.params.id, { internal: isStaff(tenant) }) : null,
      )
      if (!sla) throw notFound('ticket')
      return sla
    },
  )

  app.patch(
    '/tickets/:id/sla',
    {
      schema: {
        summary: 'Put a ticket under another policy: its clocks are planned anew from their original start',
        tags,
        params: uuidParams,
        body: z.strictObject({ policy_id: z.guid() }),
        response: { 200: ticketSla },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { id } = request.params
      const { policy_id } = request.body
      const { sla, queues } = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        const ticket = await lockTicket(tx, viewerOf(tenant), id)
        if (!ticket) throw notFound('ticket')
        if (!(await findPolicy(tx, policy_id))) {
          throw refusal(422, 'There is no such policy.', { errors: [{ location: 'body', path: 'policy_id', message: 'does not exist' }] })
        }
        const from = await changeTicketPolicy(tx, id, policy_id)
        if (from !== policy_id) await note(tx, request, { action: 'ticket.sla_policy', entity_type: 'ticket', entity_id: id, details: { from, to: policy_id } })
        await replan(tx, ticket)
        const queues = await recheckClocks(tx, tenant.organization_id, ticket)
        return { sla: await readTicketSla(tx, id, { internal: true }), queues }
      })
      notifier.notify(...queues)
      return sla!
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

  app.get('/ai/sla/quality', { schema: { summary: 'How good predictions of breaches were, by what happened', tags, response: { 200: quality } } }, (request) =>
    inOrganization(database.app, tenantOf(request).organization_id, async (tx) => {
      const byBasis = Map.groupBy(await scoredPredictions(tx, SCORED_MAX), ({ basis }) => basis)
      return { predictions: [...byBasis].map(([basis, rows]) => ({ basis, ...scoreRisks(rows) })), trainings: [...(await listSlaModels(tx))] }
    }),
  )
}

/** One simulation must not hold up everybody else's requests. @throws a refusal with 422 */
function boundWork({ calendar, changes, start, end }: Simulation): void {
  const calendars = [calendar, ...changes.flatMap((change) => change.calendar ?? [])]
  const perWeek = Math.max(...calendars.map(({ week }) => Object.values(week).flat().length))
  const isBounded = end === undefined ? perWeek <= OPENINGS_PER_WEEK_MAX : (perWeek * (end - start)) / WEEK_MS <= OPENINGS_MAX
  if (isBounded) return
  throw refusal(422, `This is more than ${OPENINGS_MAX} openings: ask for a shorter stretch, or name an end.`, {
    errors: [{ location: 'body', path: 'end', message: 'lies too far away for so many openings' }],
  })
}
