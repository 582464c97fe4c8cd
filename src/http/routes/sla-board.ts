import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { inOrganization } from '#db/pool.ts'
import { listBreaches, listDueSoon, readLateness } from '#db/sla-board.ts'
import { windowQuery } from '../log-window.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'

const DAY = 86_400
const SOON_SECONDS = 3_600

const ticket = { ticket_id: z.string(), number: z.number(), subject: z.string(), status: z.string() }
const board = z
  .object({
    window_seconds: z.number(),
    due_soon: z
      .array(
        z.object({
          ...ticket,
          priority: z.string(),
          assigned_to: z.string().nullable(),
          sla_due_at: z.date(),
          sla_risk_score: z.number().nullable().describe('Probability of missing the target'),
        }),
      )
      .describe('Open tickets that are due within the hour, or overdue'),
    breaches: z.array(z.object({ ...ticket, clock: z.string(), cycle: z.number(), breached_at: z.date(), noticed_at: z.date() })),
    lateness: z
      .object({ steps: z.number(), p50_seconds: z.number().nullable(), p95_seconds: z.number().nullable(), greatest_seconds: z.number().nullable() })
      .describe('How long after their time warnings, breaches and escalations were recorded'),
  })
  .meta({ id: 'SlaBoard' })

/** What is due soon, what was missed, and how late that was noticed. */
export const slaBoardRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  app.get(
    '/sla/board',
    {
      schema: {
        summary: 'What is due within the hour, what breached lately, and how late that was noticed',
        tags: ['SLA'],
        querystring: z.strictObject({ window: windowQuery(DAY) }),
        response: { 200: board },
      },
    },
    (request) => {
      const { window } = request.query
      return inOrganization(database.app, tenantOf(request).organization_id, async (tx) => ({
        window_seconds: window,
        due_soon: [...(await listDueSoon(tx, SOON_SECONDS, LIMITS.PAGE_MAX))],
        breaches: [...(await listBreaches(tx, window, LIMITS.PAGE_MAX))],
        lateness: await readLateness(tx, window),
      }))
    },
  )
}
