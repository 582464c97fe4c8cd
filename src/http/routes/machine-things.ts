import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { listActorMovers } from '#db/actor-moves.ts'
import { clocksIn, clocksThatTook } from '#db/clock-flow.ts'
import { suggestionsIn, suggestionsThatTook, thing, ticketsIn, ticketsThatTook } from '#db/machine-things.ts'
import type { Edge as TakenEdge, Thing } from '#db/machine-things.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { listWorkers } from '#db/workers-list.ts'
import { charts } from '#machines/charts.ts'
import { readWindow, windowQuery } from '../log-window.ts'
import { notFound } from '../refusal.ts'
import { identityOf, inScope } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf } from '../shapes.ts'
import { standingActors } from '../standing-actors.ts'
import type { Identity } from '../tokens.ts'

const HOUR = 3_600
const SHOWN_MAX = 50
const NAME_CHARS = 63

const name = z.string().min(1).max(NAME_CHARS)
const params = z.strictObject({ name })
const listed = thing.meta({ id: 'MachineThing' })

/** Which things of a machine stand in a state, and which took an edge. */
interface Lister {
  standing(tx: DatabaseTransactionConnection, state: string): Promise<readonly Thing[]>
  movers(tx: DatabaseTransactionConnection, edge: TakenEdge, seconds: number): Promise<readonly Thing[]>
}

const OF_ORGANIZATION = new Map<string, Lister>([
  ['ticket', { standing: (tx, state) => ticketsIn(tx, state, SHOWN_MAX), movers: (tx, edge, seconds) => ticketsThatTook(tx, edge, seconds, SHOWN_MAX) }],
  [
    'suggestion',
    { standing: (tx, state) => suggestionsIn(tx, state, SHOWN_MAX), movers: (tx, edge, seconds) => suggestionsThatTook(tx, edge, seconds, SHOWN_MAX) },
  ],
  ['sla_clock', { standing: (tx, state) => clocksIn(tx, state, SHOWN_MAX), movers: (tx, edge, seconds) => clocksThatTook(tx, edge, seconds, SHOWN_MAX) }],
])
const OF_INSTALLATION = new Map<string, Lister>(['worker', 'queue_supervisor'].map((machine) => [machine, actorsOf(machine)]))

/** What the numbers of the machines other than the jobs' are made of: tickets, clocks, suggestions, and for an operator the actors. */
export const machineThingRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['engine']

  app.get(
    '/machines/:name/standing',
    {
      schema: {
        summary: 'What stands in a state of a machine now, the newest first; jobs are in GET /jobs',
        tags,
        params,
        querystring: z.strictObject({ state: name }),
        response: { 200: listOf(listed) },
      },
    },
    async (request) => {
      const identity = identityOf(request)
      const { state } = request.query
      const lister = listerOf(request.params.name, identity, (chart) => chart.states.includes(state))
      return { items: [...(await inScope(database, identity, (tx) => lister.standing(tx, state)))] }
    },
  )

  app.get(
    '/machines/:name/movers',
    {
      schema: {
        summary: 'What took an edge of a machine lately, the newest first',
        tags,
        params,
        querystring: z.strictObject({ event: name, from: name.optional(), to: name, window: windowQuery(HOUR) }),
        response: { 200: listOf(listed) },
      },
    },
    async (request) => {
      const identity = identityOf(request)
      const { event, from = null, to, window } = request.query
      const lister = listerOf(request.params.name, identity, ({ edges }) => edges.some((edge) => edge.event === event && edge.from === from && edge.to === to))
      const edge = { event, from_state: from, to_state: to }
      const { value } = await readWindow(database, identity, window, (tx, seconds) => lister.movers(tx, edge, seconds))
      return { items: [...value] }
    },
  )
}

function listerOf(machine: string, { organization_id }: Identity, has: (chart: (typeof charts)[number]) => boolean): Lister {
  const lister = (organization_id === null ? OF_INSTALLATION : OF_ORGANIZATION).get(machine)
  const chart = charts.find((each) => each.name === machine)
  if (!lister || !chart || !has(chart)) throw notFound('state or edge of a machine whose things are listed')
  return lister
}

function actorsOf(machine: string): Lister {
  const nobody = { ticket_id: null, ticket_number: null, subject: null }
  return {
    async standing(tx, state) {
      const actors = standingActors(await listWorkers(tx, LIMITS.PAGE_MAX)).filter((actor) => actor.machine === machine && actor.state === state)
      return actors.slice(0, SHOWN_MAX).map(({ worker, queue }) => ({
        ...nobody,
        worker: worker.id,
        detail: [worker.name, queue].filter(Boolean).join(', '),
        count: null,
        at: worker.heartbeat_at,
      }))
    },
    async movers(tx, edge, seconds) {
      const movers = await listActorMovers(tx, machine, edge, seconds, SHOWN_MAX)
      return movers.map(({ worker, name: host, actor, count, at }) => ({ ...nobody, worker, detail: [host, actor].filter(Boolean).join(', '), count, at }))
    },
  }
}
