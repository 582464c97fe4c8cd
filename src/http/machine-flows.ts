import { z } from 'zod'
import { countActorMoves } from '#db/actor-moves.ts'
import type { CountedMove } from '#db/actor-moves.ts'
import { countClockMoves } from '#db/clock-flow.ts'
import { countMoves, dwellTimes } from '#db/machine-flow.ts'
import type { Dwell, MoveCount } from '#db/machine-flow.ts'
import type { Database } from '#db/pool.ts'
import { countNewSuggestions, countSuggestionMoves } from '#db/suggestion-flow.ts'
import { countNewTickets, countTicketMoves } from '#db/ticket-flow.ts'
import { charts, suggestionChart, ticketChart } from '#machines/charts.ts'
import { shareOf } from '#machines/dwell.ts'
import { readWindow, sampleOf, windowShape } from './log-window.ts'
import type { Identity } from './tokens.ts'

const dwell = { p50_ms: z.number().nullable(), p95_ms: z.number().nullable() }
export const flow = z
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

type FlowReader = (database: Database, identity: Identity, wanted: number) => Promise<Flow>

/** What tells the flow of a machine to somebody: tickets, their clocks and suggestions are an organisation's own, the actors are the installation's. */
export function flowReader(machine: string, { organization_id }: Identity): FlowReader | undefined {
  if (machine === 'job') return jobFlow
  return (organization_id === null ? OF_INSTALLATION : OF_ORGANIZATION).get(machine)
}

const OF_ORGANIZATION = new Map<string, FlowReader>([
  ['ticket', ticketFlow],
  ['suggestion', suggestionFlow],
  ['sla_clock', clockFlow],
])
const OF_INSTALLATION = new Map<string, FlowReader>(['worker', 'queue_supervisor'].map((machine) => [machine, actorFlow(machine)]))

async function jobFlow(database: Database, identity: Identity, wanted: number): Promise<Flow> {
  const { window_seconds, value } = await readWindow(database, identity, wanted, async (tx, seconds) => {
    const moves = await countMoves(tx, seconds)
    const every = sampleOf(moves.reduce((sum, { count }) => sum + count, 0))
    return { moves, every, dwells: await dwellTimes(tx, seconds, every) }
  })
  return flowOf('job', window_seconds, value.every, value.moves, value.dwells)
}

async function ticketFlow(database: Database, identity: Identity, wanted: number): Promise<Flow> {
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

async function suggestionFlow(database: Database, identity: Identity, wanted: number): Promise<Flow> {
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

async function clockFlow(database: Database, identity: Identity, wanted: number): Promise<Flow> {
  const { window_seconds, value: rows } = await readWindow(database, identity, wanted, countClockMoves)
  const moves = rows.flatMap(({ event, to_state, ...row }) => (event && to_state ? [{ ...row, event, to_state }] : []))
  return flowOf('sla_clock', window_seconds, 1, moves, rows)
}

function actorFlow(machine: string): FlowReader {
  return async (database, identity, wanted) => {
    const { window_seconds, value: rows } = await readWindow(database, identity, wanted, (tx, seconds) => countActorMoves(tx, machine, seconds))
    const edges = Map.groupBy(rows, ({ event, from_state, to_state }) => JSON.stringify([event, from_state, to_state]))
    const moves = [...edges.values()].map((of) => ({ ...edgeOf(of[0]!), count: of.reduce((sum, { count }) => sum + count, 0) }))
    const stays = [
      ...[...edges.values()].map((of) => ({ ...edgeOf(of[0]!), ...percentilesOf(of) })),
      ...[...Map.groupBy(rows, ({ from_state }) => from_state)].map(([from_state, of]) => ({ event: null, from_state, to_state: null, ...percentilesOf(of) })),
    ]
    return flowOf(machine, window_seconds, 1, moves, stays)
  }
}

const edgeOf = ({ event, from_state, to_state }: CountedMove) => ({ event, from_state, to_state })

function percentilesOf(moves: readonly CountedMove[]): { p50_ms: number | null; p95_ms: number | null } {
  const stays = new Map<number, number>()
  for (const { stay, count } of moves) stays.set(stay, (stays.get(stay) ?? 0) + count)
  return { p50_ms: shareOf(stays, 0.5), p95_ms: shareOf(stays, 0.95) }
}

type Move = Pick<MoveCount, 'count'> & { event: string; from_state: string | null; to_state: string }
type Stay = { [time in keyof Pick<Dwell, 'p50_ms' | 'p95_ms'>]: number | null } & { event: string | null; from_state: string; to_state: string | null }

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
