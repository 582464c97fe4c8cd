import { setTimeout as pause } from 'node:timers/promises'
import { drainRound } from './drain.ts'
import { pace, startWorkers } from './support/children.ts'
import { median, ratios, rounded } from './support/numbers.ts'
import { openStore } from './support/store.ts'
import type { BenchServer } from './support/server.ts'
import type { Bench, Findings, Suite, Table } from './support/suite.ts'
import type { Pace } from './support/pace.ts'
import type { Watched } from './support/watch.ts'

const ROUNDS = 2
/** Jobs that tell a contestant's drain rate, of which the load is half. */
const DRAIN_JOBS = 20_000
const IDLE_JOBS = 300
const IDLE_WARM_UP = 30
/** One job every 20 to 40 ms: the jitter keeps it from falling into step with somebody's poll. */
const IDLE: Pick<Pace, 'every_ms' | 'jitter_ms' | 'batch'> = { every_ms: 30, jitter_ms: 10, batch: 1 }
const LOAD_SHARE = 0.5
const LOAD_SECONDS = 10
const LOAD_EVERY_MS = 20
const WARM_UP_SHARE = 0.1

export const latency: Suite = {
  name: 'latency',
  measures: "from the call that enqueues a job, in a process of its own, to the first line of its handler in the worker's process",
  omits:
    'a network, several workers, handlers that take time. Under load each contestant is given half of its own drain rate, so a faster one works harder (--rate gives all the same). Jobs of one batch count from the same call.',
  run,
}

interface LatencyRound {
  contestant: string
  load: 'idle' | 'half'
  /** Jobs a second that were wanted and that the enqueuer reached; short of it, the store was the bound. */
  wanted_rate: number
  reached_rate: number
  watched: Watched
}

async function run(bench: Bench): Promise<Findings> {
  const { contestants } = bench.options
  const rounds = bench.options.rounds ?? ROUNDS
  const measurements: LatencyRound[] = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const contestant of contestants) {
      measurements.push(await idleRound(bench, contestant))
      measurements.push(await loadRound(bench, contestant))
      const [idle, half] = measurements.slice(-2).map((one) => one.watched.all)
      bench.say(
        `latency, round ${round} of ${rounds}: ${contestant} idle p50 ${idle!.wait_p50_ms} ms, p99 ${idle!.wait_p99_ms} ms; under load p99 ${half!.wait_p99_ms} ms`,
      )
    }
  }
  return {
    sizes: { rounds, idle_jobs: bench.options.jobs ?? IDLE_JOBS, load_seconds: LOAD_SECONDS },
    tables: (['idle', 'half'] as const).map((load) => tableOf(load, measurements, contestants)),
    measurements,
  }
}

async function idleRound({ server, options }: Bench, contestant: string): Promise<LatencyRound> {
  const jobs = (options.jobs ?? IDLE_JOBS) + IDLE_WARM_UP
  return watchedRound(server, contestant, 'idle', { ...IDLE, jobs, warm_up: IDLE_WARM_UP })
}

async function loadRound({ server, options }: Bench, contestant: string): Promise<LatencyRound> {
  const drained = options.rate === null ? await drainRound(server, contestant, { jobs: options.jobs ?? DRAIN_JOBS, batch: options.batch, processes: 1 }) : null
  const rate = options.rate ?? drained!.drain_per_second * LOAD_SHARE
  const batch = Math.max(1, Math.round((rate * LOAD_EVERY_MS) / 1_000))
  const jobs = Math.ceil(Math.min(rate * LOAD_SECONDS, options.jobs ?? Number.POSITIVE_INFINITY))
  return watchedRound(server, contestant, 'half', {
    every_ms: LOAD_EVERY_MS,
    jitter_ms: LOAD_EVERY_MS / 4,
    batch,
    jobs: Math.round(jobs * (1 + WARM_UP_SHARE)),
    warm_up: Math.round(jobs * WARM_UP_SHARE),
  })
}

async function watchedRound(server: BenchServer, contestant: string, load: 'idle' | 'half', plan: Pace): Promise<LatencyRound> {
  const store = await openStore(server, contestant, 'watch')
  try {
    const [worker] = await startWorkers(contestant, store.url, 1, 'watch')
    const { rate } = await pace(contestant, store.url, plan)
    while (!(await store.isEmpty())) await pause(LOAD_EVERY_MS)
    const { watched } = await worker!.stop()
    return { contestant, load, wanted_rate: rounded((plan.batch * 1_000) / plan.every_ms)!, reached_rate: rounded(rate)!, watched: watched! }
  } finally {
    await store.close()
  }
}

function tableOf(load: 'idle' | 'half', measurements: LatencyRound[], contestants: readonly string[]): Table {
  const of = (contestant: string) => measurements.filter((one) => one.contestant === contestant && one.load === load)
  const waits = (contestant: string, field: 'wait_p50_ms' | 'wait_p99_ms' | 'wait_max_ms') => of(contestant).map((one) => one.watched.all[field] ?? Number.NaN)
  return {
    title:
      load === 'idle'
        ? "Idle, one job every 20 to 40 ms: medians of the rounds; the peer's p99 over ours (above 1: we are quicker)"
        : "Under load: medians of the rounds; the peer's p99 over ours (above 1: we are quicker)",
    columns: ['', 'jobs/s wanted', 'reached', 'p50 ms', 'p99 ms', 'max ms', 'its p99 over ours'],
    rows: contestants.map((contestant) => [
      contestant,
      rounded(median(of(contestant).map((one) => one.wanted_rate))),
      rounded(median(of(contestant).map((one) => one.reached_rate))),
      ...(['wait_p50_ms', 'wait_p99_ms', 'wait_max_ms'] as const).map((field) => rounded(median(waits(contestant, field)))),
      contestant === contestants[0] ? null : ratios(waits(contestant, 'wait_p99_ms'), waits(contestants[0]!, 'wait_p99_ms')),
    ]),
  }
}
