import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { countDeadLetters, countMoves, dwellTimes, listMovers, minePaths } from '#db/machine-flow.ts'
import type { Dwell, MoveCount } from '#db/machine-flow.ts'
import { countNewSuggestions, countSuggestionMoves } from '#db/suggestion-flow.ts'
import { countNewTickets, countTicketMoves } from '#db/ticket-flow.ts'
import { charts, suggestionChart, ticketChart } from '#machines/charts.ts'
import { JOB_EVENTS, JOB_STATES } from '#machines/job.ts'
import { keptForMs, readWindow, sampleOf, windowQuery, windowShape } from '../log-window.ts'
import { notFound } from '../refusal.ts'
import { identityOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { listOf } from '../shapes.ts'
import { ShortCache } from '../short-cache.ts'
import type { Identity } from '../tokens.ts'

const HOUR = 3_600
const DAY = 86_400
const PATHS_MAX = 100
const MOVERS_MAX = 50
const DEAD_LETTERS_MAX = 100

const NAME_CHARS = 63

const params = z.strictObject({ name: z.string().min(1).max(NAME_CHARS) })
const dwell = { p50_ms: z.number().nullable(), p95_ms: z.number().nullable() }
const flow = z
  .object({
    machine: z.string(),
    ...windowShape,
    states: z
      .array(z.object({ state: z.string(), entered: z.number(), left: z.number(), ...dwell }))
      .describe('With how long things stood there before they left'),
    edges: z
      .array(z.object({ event: z.string(), from: z.string().nullable(), to: z.string(), count: z.number(), per_second: z.number(), ...dwell }))
      .describe('Every edge of the machine, those that nothing took with a count of 0; the times are those spent in `from`'),
  })
  .meta({ id: 'MachineFlow' })
type Flow = z.infer<typeof flow>

const paths = z
  .object({
    ...windowShape,
    jobs: z.number(),
    items: z.array(
      z.object({ events: z.array(z.string()), jobs: z.number(), share: z.number(), p50_ms: z.number(), p95_ms: z.number(), example_jobs: z.array(z.number()) }),
    ),
  })
  .meta({ id: 'MinedPaths' })

const moverQuery = z.strictObject({
  event: z.enum(JOB_EVENTS),
  from: z.enum(JOB_STATES).optional(),
  to: z.enum(JOB_STATES),
  window: windowQuery(HOUR),
})
const mover = z
  .object({
    job_id: z.number(),
    seq: z.number(),
    at: z.date(),
    attempt: z.number(),
    worker: z.number().nullable(),
    job_type: z.string(),
    status: z.enum(JOB_STATES),
    last_error: z.string().nullable(),
  })
  .meta({ id: 'Mover' })
const deadLetters = z
  .object({
    error_class: z.string(),
    job_type: z.string(),
    jobs: z.number(),
    still_failed: z.number().describe('Those that nobody queued again'),
    newest_at: z.date(),
    newest_job: z.number(),
    message: z.string().nullable(),
  })
  .meta({ id: 'DeadLetters' })

/** What moves through the machines: how much, how fast, and by which ways. */
export const machineFlowRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database } }) => {
  const tags = ['engine']
  const caches = new Map<number, ShortCache<unknown>>()

  /** Everybody of an organisation who asks the same within the time shares one answer. */
  function shared<T>(identity: Identity, question: string, seconds: number, load: () => Promise<T>): Promise<T> {
    const ms = keptForMs(seconds)
    const cache = caches.get(ms) ?? new ShortCache<unknown>(ms)
    caches.set(ms, cache)
    return cache.get(`${identity.organization_id ?? 'installation'} ${question} ${seconds}`, load) as Promise<T>
  }

  async function jobFlow(identity: Identity, wanted: number): Promise<Flow> {
    const { window_seconds, value } = await readWindow(database, identity, wanted, async (tx, seconds) => {
      const moves = await countMoves(tx, seconds)
      const every = sampleOf(moves.reduce((sum, { count }) => sum + count, 0))
      return { moves, every, dwells: await dwellTimes(tx, seconds, every) }
    })
    return flowOf('job', window_seconds, value.every, value.moves, value.dwells)
  }

  async function ticketFlow(identity: Identity, wanted: number): Promise<Flow> {
    const { window_seconds, value } = await readWindow(database, identity, wanted, async (tx, seconds) => ({
      rows: await countTicketMoves(tx, seconds),
      created: await countNewTickets(tx, seconds),
    }))
    const eventOf = (from: string | null, to: string) => ticketChart.edges.find((edge) => edge.from === from && edge.to === to)?.event ?? '?'
    const moves = value.rows.flatMap(({ from_state, to_state, count }) =>
      to_state ? [{ event: eventOf(from_state, to_state), from_state, to_state, count }] : [],
    )
    const dwells = value.rows.map((row) => ({ ...row, event: row.to_state && eventOf(row.from_state, row.to_state), jobs: row.count }))
    const births = { event: eventOf(null, ticketChart.initial), from_state: null, to_state: ticketChart.initial, count: value.created }
    return flowOf('ticket', window_seconds, 1, [births, ...moves], dwells)
  }

  async function suggestionFlow(identity: Identity, wanted: number): Promise<Flow> {
    const { window_seconds, value } = await readWindow(database, identity, wanted, async (tx, seconds) => ({
      rows: await countSuggestionMoves(tx, seconds),
      offered: await countNewSuggestions(tx, seconds),
    }))
    const { initial } = suggestionChart
    const eventOf = (from: string | null, to: string) => suggestionChart.edges.find((edge) => edge.from === from && edge.to === to)?.event ?? '?'
    const rows = value.rows.map((row) => ({ ...row, from_state: initial, event: row.to_state && eventOf(initial, row.to_state) }))
    const moves = rows.flatMap(({ event, from_state, to_state, count }) => (event && to_state ? [{ event, from_state, to_state, count }] : []))
    const births = { event: eventOf(null, initial), from_state: null, to_state: initial, count: value.offered }
    return flowOf('suggestion', window_seconds, 1, [births, ...moves], rows)
  }

  app.get(
    '/machines/:name/flow',
    {
      schema: {
        summary: 'How often the edges of a machine were taken lately, and how long things stood in its states',
        tags,
        params,
        querystring: z.strictObject({ window: windowQuery(HOUR) }),
        response: { 200: flow },
      },
    },
    (request) => {
      const identity = identityOf(request)
      const { window } = request.query
      const { name } = request.params
      if (name === 'job') return shared(identity, 'flow of jobs', window, () => jobFlow(identity, window))
      // Tickets are the organisations' own: an operator sees none.
      if (name === 'ticket' && identity.organization_id !== null) return shared(identity, 'flow of tickets', window, () => ticketFlow(identity, window))
      if (name === 'suggestion' && identity.organization_id !== null) {
        return shared(identity, 'flow of suggestions', window, () => suggestionFlow(identity, window))
      }
      throw notFound('log of this machine')
    },
  )

  app.get(
    '/machines/job/paths',
    {
      schema: {
        summary: 'The ways that jobs took to their end, the rarest first',
        tags,
        querystring: z.strictObject({ window: windowQuery(HOUR) }),
        response: { 200: paths },
      },
    },
    (request) => {
      const identity = identityOf(request)
      const { window } = request.query
      return shared(identity, 'paths', window, async () => {
        const { window_seconds, value } = await readWindow(database, identity, window, async (tx, seconds) => {
          const every = sampleOf((await countMoves(tx, seconds)).reduce((sum, { count }) => sum + count, 0))
          return { every, rows: await minePaths(tx, seconds, every, PATHS_MAX) }
        })
        const jobs = value.rows.reduce((sum, row) => sum + row.jobs, 0)
        return { window_seconds, sampled_every: value.every, jobs, items: value.rows.map((row) => ({ ...row, share: row.jobs / jobs })) }
      })
    },
  )

  app.get(
    '/machines/job/movers',
    { schema: { summary: 'The jobs that took an edge lately, the newest first', tags, querystring: moverQuery, response: { 200: listOf(mover) } } },
    async (request) => {
      const { event, from = null, to, window } = request.query
      const edge = { event, from_state: from, to_state: to }
      const { value } = await readWindow(database, identityOf(request), window, (tx, seconds) => listMovers(tx, edge, seconds, MOVERS_MAX))
      return { items: [...value] }
    },
  )

  app.get(
    '/dead-letters',
    {
      schema: {
        summary: 'What failed for good lately, by the class of its error',
        tags,
        querystring: z.strictObject({ window: windowQuery(DAY) }),
        response: { 200: listOf(deadLetters).extend({ window_seconds: windowShape.window_seconds }) },
      },
    },
    (request) => {
      const identity = identityOf(request)
      const { window } = request.query
      return shared(identity, 'dead letters', window, async () => {
        const { window_seconds, value } = await readWindow(database, identity, window, (tx, seconds) => countDeadLetters(tx, seconds, DEAD_LETTERS_MAX))
        return { window_seconds, items: [...value] }
      })
    },
  )
}

type Move = Pick<MoveCount, 'count'> & { event: string; from_state: string | null; to_state: string }
type Stay = Pick<Dwell, 'p50_ms' | 'p95_ms'> & { event: string | null; from_state: string; to_state: string | null }

/** Every edge and state of the machine with what was counted of it. */
function flowOf(machine: string, window_seconds: number, sampled_every: number, moves: readonly Move[], stays: readonly Stay[]): Flow {
  const chart = charts.find(({ name }) => name === machine)!
  const sum = (chosen: (move: Move) => boolean) => moves.filter(chosen).reduce((total, { count }) => total + count, 0)
  const timesOf = (stay: Stay | undefined) => ({ p50_ms: stay?.p50_ms ?? null, p95_ms: stay?.p95_ms ?? null })
  // Two edges that differ by their guard alone lead to different states, or are one.
  const edges = new Map(chart.edges.map((edge) => [JSON.stringify([edge.event, edge.from, edge.to]), edge]))
  return {
    machine,
    window_seconds,
    sampled_every,
    states: chart.states.map((state) => ({
      state,
      entered: sum((move) => move.to_state === state),
      left: sum((move) => move.from_state === state),
      ...timesOf(stays.find((stay) => stay.from_state === state && stay.to_state === null)),
    })),
    edges: [...edges.values()].map(({ event, from, to }) => {
      const count = sum((move) => move.event === event && move.from_state === from && move.to_state === to)
      const stay = stays.find((candidate) => candidate.event === event && candidate.from_state === from && candidate.to_state === to)
      return { event, from, to, count, per_second: count / window_seconds, ...timesOf(stay) }
    }),
  }
}
