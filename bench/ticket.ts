import { randomUUID } from 'node:crypto'
import { inOrganization } from '#db/pool.ts'
import { insertTicket } from '#db/ticket-filing.ts'
import { takeIn } from '#http/ticket-intake.ts'
import { ask } from './support/database.ts'
import { openDesk } from './support/desk.ts'
import type { Desk } from './support/desk.ts'
import { median, quantile, rounded } from './support/numbers.ts'
import type { Bench, Findings, Suite } from './support/suite.ts'

/** Tickets of each kind a round. */
const TICKETS = 300
const ROUNDS = 3
const WARM_UP = 30
/** What a ticket's jobs may add to it. */
const GOAL = 1.3
/** The schema before there were jobs: tickets are taken in there without any. */
const BEFORE_JOBS = 'rag_graph'

export const ticket: Suite = {
  name: 'ticket',
  measures: `filing a ticket with its five jobs in one transaction, against the same without jobs, taking turns one by one; the goal is a ratio of at most ${GOAL}`,
  omits:
    'several people who file at a time (tickets of one organisation queue for its next number), and a worker that works the jobs off meanwhile. At the database "without" is the insert of the ticket alone; over HTTP it is the same server on the same schema without org_settings, which it takes for one without jobs. The last row is for scale: its "without" is the schema before there were jobs, whose tickets also had no words for the search and no sealed log.',
  run,
}

const WAYS = { database: 'at the database', http: 'over HTTP', before: 'over HTTP, without on the schema before jobs' }
type Way = keyof typeof WAYS
type Kind = 'with' | 'without'
const ways = Object.keys(WAYS) as Way[]

interface Timed {
  way: Way
  kind: Kind
  ms: number
}

async function run({ server, options, say }: Bench): Promise<Findings> {
  const [tickets, rounds] = [options.jobs ?? TICKETS, options.rounds ?? ROUNDS]
  const desks = {
    with: await openDesk(server, 'ticket_with', 'agent'),
    without: await openDesk(server, 'ticket_without', 'agent'),
    before: await openDesk(server, 'ticket_before', 'agent', { to: BEFORE_JOBS }),
  }
  await ask(desks.without.ownerUrl, 'alter table org_settings rename to org_settings_away')
  const measurements: Timed[][] = []
  try {
    for (let round = 1; round <= rounds; round += 1) {
      const times: Timed[] = []
      for (const way of ways) times.push(...(await takeTurns(way, desks, tickets)))
      measurements.push(times)
      say(`ticket, round ${round} of ${rounds}: ratio ${ways.map((way) => `${ratio(times, way)} ${WAYS[way]}`).join(', ')}`)
    }
  } finally {
    await Promise.all(Object.values(desks).map((desk) => desk.close()))
  }
  return {
    sizes: { tickets, rounds },
    tables: [
      {
        title: `With its five jobs over without, ratio of the medians: least / median / greatest of the rounds (goal: at most ${GOAL})`,
        columns: ['', 'without p50 ms', 'with p50 ms', 'with p95 ms', 'ratio'],
        rows: ways.map((way) => {
          const all = measurements.flat()
          const each = measurements.map((times) => ratio(times, way))
          return [
            WAYS[way],
            rounded(median(msOf(all, way, 'without'))),
            rounded(median(msOf(all, way, 'with'))),
            rounded(quantile(msOf(all, way, 'with'), 0.95)),
            [0, 0.5, 1].map((q) => quantile(each, q)).join(' / '),
          ]
        }),
      },
    ],
    measurements: measurements.map((times, index) => ({ round: index + 1, times })),
  }
}

/** One with jobs, one without, and so on; which goes first changes, so that neither always comes behind the other. */
async function takeTurns(way: Way, desks: Record<Kind | 'before', Desk>, tickets: number): Promise<Timed[]> {
  const times: Timed[] = []
  for (let n = -WARM_UP; n < tickets; n += 1) {
    for (const kind of n % 2 === 0 ? (['with', 'without'] as const) : (['without', 'with'] as const)) {
      const started = performance.now()
      await (way === 'database' ? fileAtDatabase(desks.with, kind, n) : fileOverHttp(desks[kind === 'without' && way === 'before' ? 'before' : kind], n))
      if (n >= 0) times.push({ way, kind, ms: performance.now() - started })
    }
  }
  return times
}

const wishOf = (n: number) => ({
  subject: `The machine on floor ${n + WARM_UP} leaks`,
  description: 'Since this morning there is water under it, and the display shows a code that nobody here has seen before.',
})

async function fileAtDatabase({ database, organizationId, userId }: Desk, kind: Kind, n: number): Promise<void> {
  const wanted = { ...wishOf(n), priority: null, service_id: null, tags: [], requester_id: userId }
  const author = { organization_id: organizationId!, user_id: userId, request_id: 'bench' }
  await inOrganization(database.app, organizationId!, async (tx) => {
    await (kind === 'with' ? takeIn(tx, author, wanted) : insertTicket(tx, { id: randomUUID(), ...wanted }, author))
  })
}

const fileOverHttp = (desk: Desk, n: number): Promise<void> => desk.ask('/api/v1/tickets', wishOf(n))

const msOf = (times: Timed[], way: Way, kind: Kind): number[] => times.filter((one) => one.way === way && one.kind === kind).map((one) => one.ms)
const ratio = (times: Timed[], way: Way): number => rounded(median(msOf(times, way, 'with'))! / median(msOf(times, way, 'without'))!)!
