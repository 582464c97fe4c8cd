import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { dashboardRow, historyPoint, liveRow, readDashboard, readHistory, readLive } from '#db/dashboard.ts'
import type { Dashboard } from '#db/dashboard.ts'
import { readJobCounts } from '#db/job-counts.ts'
import { inOrganization } from '#db/pool.ts'
import { refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { instant } from '../shapes.ts'
import { ShortCache } from '../short-cache.ts'

/** However many look at once, the database is asked so often. */
const LIVE_AGE_MS = 3_000
const DASHBOARD_AGE_MS = 15_000
const WINDOW_DAYS = 30
/** Percentiles are over so many of the newest tickets. */
const SAMPLE = 2_000
const AGENTS_MAX = 200
/** A history has at most so many points. */
const POINTS_MAX = 200
const SNAPSHOT_MINUTES = 5
const MINUTE_MS = 60_000

const RANGES = { '1h': 60, '6h': 360, '24h': 1_440, '7d': 10_080, '30d': 43_200, '90d': 129_600 } as const
const ranges = Object.keys(RANGES) as (keyof typeof RANGES)[]

const live = liveRow.extend({ jobs: z.record(z.string(), z.number()).describe("The organisation's jobs by state") }).meta({ id: 'LiveMetrics' })
const historyQuery = z.strictObject({
  range: z.enum(ranges).describe('Until now; 24h without from').optional(),
  from: instant.optional(),
  to: instant.optional(),
})
const history = z
  .object({ from: z.string(), to: z.string(), bucket_minutes: z.number(), items: z.array(historyPoint) })
  .meta({ id: 'MetricsHistory', description: 'Buckets without a snapshot are left out: nothing is known of them.' })

/** Figures of one organisation, for its staff. */
export const deskMetricsRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['metrics']
  const lives = new ShortCache<z.infer<typeof live>>(LIVE_AGE_MS)
  const dashboards = new ShortCache<Dashboard>(DASHBOARD_AGE_MS)

  app.get('/metrics/live', { schema: { summary: 'How the desk stands, in a few figures that are seconds old', tags, response: { 200: live } } }, (request) => {
    const { organization_id } = tenantOf(request)
    return lives.get(organization_id, async () => {
      const [tickets, counts] = await Promise.all([
        inOrganization(database.app, organization_id, readLive),
        database.system.transaction((tx) => readJobCounts(tx, organization_id)),
      ])
      const jobs: Record<string, number> = {}
      for (const { status, jobs: count } of counts) jobs[status] = (jobs[status] ?? 0) + count
      return { ...tickets, jobs }
    })
  })

  app.get(
    '/metrics/dashboard',
    {
      schema: {
        summary: 'What is open, what is due, how quick answers and solutions are, and who has how much',
        tags,
        response: { 200: dashboardRow.meta({ id: 'Dashboard' }) },
      },
    },
    (request) => {
      const { organization_id } = tenantOf(request)
      return dashboards.get(organization_id, () =>
        inOrganization(database.app, organization_id, (tx) => readDashboard(tx, { window_days: WINDOW_DAYS, sample: SAMPLE, agents: AGENTS_MAX })),
      )
    },
  )

  app.get(
    '/metrics/history',
    { schema: { summary: 'The figures of a time, from the snapshots that were kept', tags, querystring: historyQuery, response: { 200: history } } },
    async (request) => {
      const { organization_id } = tenantOf(request)
      const span = spanOf(request.query)
      const items = await inOrganization(database.app, organization_id, (tx) => readHistory(tx, span))
      return { ...span, items: [...items] }
    },
  )
}

function spanOf({ range, from, to }: z.infer<typeof historyQuery>): { from: string; to: string; bucket_minutes: number } {
  if (range !== undefined && from !== undefined) throw wrong('range', 'goes without from')
  const end = to === undefined ? Date.now() : Date.parse(to)
  const begin = from === undefined ? end - RANGES[range ?? '24h'] * MINUTE_MS : Date.parse(from)
  if (begin >= end) throw wrong('from', 'must be before to')
  const slots = Math.ceil((end - begin) / MINUTE_MS / POINTS_MAX / SNAPSHOT_MINUTES)
  return { from: new Date(begin).toISOString(), to: new Date(end).toISOString(), bucket_minutes: Math.max(1, slots) * SNAPSHOT_MINUTES }
}

function wrong(path: string, message: string): Error {
  return refusal(400, 'The request is not well-formed: see errors.', { errors: [{ location: 'query', path, message }] })
}
