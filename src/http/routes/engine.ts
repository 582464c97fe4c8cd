import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { countSlaClocks } from '#db/clock-flow.ts'
import { byStatus, readJobCounts } from '#db/job-counts.ts'
import { inOrganization } from '#db/pool.ts'
import { countSuggestions } from '#db/suggestion-flow.ts'
import { countTickets } from '#db/tickets.ts'
import { listWorkers } from '#db/workers-list.ts'
import { charts } from '#machines/charts.ts'
import { identityOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf } from '../shapes.ts'
import { ShortCache } from '../short-cache.ts'
import { standingActors } from '../standing-actors.ts'
import type { LivingWorker } from '../standing-actors.ts'
import type { Identity } from '../tokens.ts'

/** Everybody who watches shares one count a second. */
const COUNTS_MAX_AGE_MS = 1_000
/** Suggestions are kept for years, so that counting them takes longer than most. */
const SUGGESTIONS_MAX_AGE_MS = 5_000

const edge = z.object({ event: z.string(), from: z.string().nullable(), to: z.string(), guard: z.string().nullable(), actions: z.array(z.string()) })
const machine = z
  .object({
    name: z.string(),
    initial: z.string(),
    states: z.array(z.string()),
    events: z.array(z.string()),
    edges: z.array(edge),
    counts: z.record(z.string(), z.number()).nullable().describe('Null where they are not counted, or not for the asker to see'),
  })
  .meta({ id: 'Machine' })

type Counts = Record<string, Record<string, number>>

/** What the engine is made of and how it stands: its machines. */
export const engineRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['engine']
  const cache = new ShortCache<Counts>(COUNTS_MAX_AGE_MS)
  const suggestions = new ShortCache<Record<string, number>>(SUGGESTIONS_MAX_AGE_MS)

  async function count({ organization_id }: Identity): Promise<Counts> {
    const counts: Counts = { job: byStatus(await readJobCounts(database.system, organization_id)) }
    // Tickets are the organisations' own, and workers are the installation's.
    if (organization_id === null) return { ...counts, ...countActors(await listWorkers(database.system, LIMITS.PAGE_MAX)) }
    return inOrganization(database.app, organization_id, async (tx) => ({
      ...counts,
      ticket: Object.fromEntries((await countTickets(tx)).map((row) => [row.status, row.count])),
      sla_clock: await countSlaClocks(tx),
      suggestion: await suggestions.get(organization_id, () => countSuggestions(tx)),
    }))
  }

  app.get('/machines', { schema: { summary: 'Every state machine, with live counts', tags, response: { 200: listOf(machine) } } }, async (request) => {
    const identity = identityOf(request)
    const counts = await cache.get(identity.organization_id ?? 'installation', () => count(identity))
    return {
      items: charts.map((chart) => {
        const counted = counts[chart.name]
        return { ...chart, counts: counted ? Object.fromEntries(chart.states.map((state) => [state, counted[state] ?? 0])) : null }
      }),
    }
  })
}

/** In which states the workers and their queue supervisors stand, as of each one's last heartbeat. */
function countActors(workers: readonly LivingWorker[]): Counts {
  const counts: Counts = { worker: {}, queue_supervisor: {} }
  for (const { machine, state } of standingActors(workers)) counts[machine]![state] = (counts[machine]![state] ?? 0) + 1
  return counts
}
