import { setTimeout as pause } from 'node:timers/promises'
import type pg from 'pg'
import { enqueue, pace, setUp, startWorkers } from './support/children.ts'
import { freshDatabase, settle, withOwner } from './support/database.ts'
import { EVENTS_PER_JOB, fillHistory } from './support/history.ts'
import { median, ratios, rounded } from './support/numbers.ts'
import type { Bench, Findings, Suite, Table } from './support/suite.ts'
import type { Watched } from './support/watch.ts'

const OURS = 'atum-desk'
const JOBS = 100_000
const ROUNDS = 2
const ASK_EVERY_MS = 10
/** Jobs end a little out of order: as many of the last ones as a worker holds are all looked at. */
const TAIL = 6_000
const HELD_RATE = 800
const HELD_BATCH = 16

export const flat: Suite = {
  name: 'flat',
  measures: "whether our drain rate stays what it is with history, with backlog, and while a transaction of somebody else's is held open",
  omits:
    'the peers; history of more than a day (older partitions are not touched, and dropped whole); the disk, where the working set is larger than memory. The made history is analysed and vacuumed, as autovacuum does in time.',
  run,
}

type Condition = 'empty' | 'history' | 'backlog'

interface FlatRound {
  condition: Condition
  drain_per_second: number
}

async function run(bench: Bench): Promise<Findings> {
  const { options, say } = bench
  const [jobs, rounds] = [options.jobs ?? JOBS, options.rounds ?? ROUNDS]
  const urls: Record<Condition, string> = {
    empty: await made(bench, 'flat_empty'),
    history: await made(bench, 'flat_history'),
    backlog: await made(bench, 'flat_backlog'),
  }
  await fillHistory(urls.history, options.history, say)
  say(`enqueuing ${options.backlog} jobs as the backlog`)
  await enqueue(OURS, urls.backlog, options.backlog, options.batch)
  const measurements: FlatRound[] = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const condition of ['empty', 'history', 'backlog'] as const) {
      const drain_per_second = await drainSome(urls[condition], jobs, options.batch)
      measurements.push({ condition, drain_per_second })
      say(`flat, round ${round} of ${rounds}: ${condition} ${drain_per_second}/s`)
    }
  }
  say(`flat: ${options.held_minutes} minute(s) with a transaction held open`)
  const held = await heldOpen(await made(bench, 'flat_held'), options.held_minutes)
  return {
    sizes: { jobs, rounds, history: options.history, events: options.history * EVENTS_PER_JOB, backlog: options.backlog, held_minutes: options.held_minutes },
    tables: [conditionsTable(measurements), heldTable(held)],
    measurements: { rounds: measurements, held },
  }
}

async function made({ server }: Bench, name: string): Promise<string> {
  const url = await freshDatabase(server, name)
  await setUp(OURS, url, 'drain')
  return url
}

/** Adds jobs behind what waits already, and works off as many of the longest due. @returns jobs a second */
async function drainSome(url: string, jobs: number, batch: number): Promise<number> {
  await enqueue(OURS, url, jobs, batch)
  await settle(url)
  return withOwner(url, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      `select id from (select run_after, job_id as id from job_ready union all select run_after, unnest(job_ids) from job_bundles) as waiting
        order by run_after, id offset $1 limit 1`,
      [jobs - 1],
    )
    const last = Number(rows[0]!.id)
    const [worker] = await startWorkers(OURS, url, 1, 'drain')
    while (!(await isDone(client, last))) await pause(ASK_EVERY_MS)
    const seconds = (Date.now() - worker!.startedAt) / 1_000
    await worker!.stop()
    return Math.round(jobs / seconds)
  })
}

async function isDone(client: pg.Client, last: number): Promise<boolean> {
  const { rows } = await client.query<{ done: boolean }>(
    `select case when (select status = 'done' from job_queue where id = $1)
                 then not exists (select from job_queue where id between $1 - ${TAIL} and $1 and status <> 'done') else false end as done`,
    [last],
  )
  return rows[0]!.done
}

/** Keeps a snapshot alive, so that no dead row may be cleared away, while jobs come at a steady rate. */
async function heldOpen(url: string, minutes: number): Promise<{ wanted_rate: number; reached_rate: number; watched: Watched }> {
  const jobs = Math.round(HELD_RATE * 60 * minutes)
  return withOwner(url, async (holder) => {
    await holder.query('begin isolation level repeatable read')
    await holder.query('select count(*) from job_queue')
    const [worker] = await startWorkers(OURS, url, 1, 'watch')
    const { rate } = await pace(OURS, url, { every_ms: (HELD_BATCH * 1_000) / HELD_RATE, jitter_ms: 2, batch: HELD_BATCH, jobs, warm_up: 0 })
    const { watched } = await worker!.stop()
    await holder.query('rollback')
    return { wanted_rate: HELD_RATE, reached_rate: rounded(rate)!, watched: watched! }
  })
}

function conditionsTable(measurements: FlatRound[]): Table {
  const rate = (condition: Condition): number[] => measurements.filter((one) => one.condition === condition).map((one) => one.drain_per_second)
  const names = { empty: 'an empty database', history: 'with history', backlog: 'before a backlog' } as const
  return {
    title: 'Drain rate, and over that of the empty database: least / median / greatest of the rounds (1: flat)',
    columns: ['', 'jobs/s', 'over empty'],
    rows: (['empty', 'history', 'backlog'] as const).map((condition) => [
      names[condition],
      rounded(median(rate(condition))),
      condition === 'empty' ? null : ratios(rate(condition), rate('empty')),
    ]),
  }
}

function heldTable({ reached_rate, watched: { first, last } }: Awaited<ReturnType<typeof heldOpen>>): Table {
  const over = (one: number | null, other: number | null): string => (one === null || other === null ? '-' : (one / other).toFixed(2))
  const row = (name: string, field: keyof typeof first) => [name, first[field], last[field], over(last[field], first[field])]
  return {
    title: `While a transaction is held open, ${HELD_RATE} jobs/s wanted, ${reached_rate} enqueued: the first 10 s, the last 10 s, and the last over the first`,
    columns: ['', 'first', 'last', 'last over first'],
    rows: [
      row('started jobs/s', 'jobs_per_second'),
      row('claim p50 ms', 'claim_p50_ms'),
      row('claim max ms', 'claim_max_ms'),
      row('wait p50 ms', 'wait_p50_ms'),
      row('wait p99 ms', 'wait_p99_ms'),
    ],
  }
}
