import { setTimeout as pause } from 'node:timers/promises'
import { coresUsed } from './support/machine.ts'
import { enqueue, startWorkers } from './support/children.ts'
import { median, ratios, rounded } from './support/numbers.ts'
import { openStore } from './support/store.ts'
import type { BenchServer } from './support/server.ts'
import type { Bench, Findings, Suite, Table } from './support/suite.ts'

/** What a contestant did in one round. */
export interface DrainRound {
  contestant: string
  processes: number
  enqueue_per_second: number
  drain_per_second: number
  /** CPU of the worker processes, without the database's. */
  worker_cpu_us_per_job: number
  /** Per cent of the machine's cores that did something while the jobs were worked off. */
  cores_busy: number
}

const JOBS = 50_000
const ROUNDS = 3
const ASK_EVERY_MS = 10

export const drain: Suite = {
  name: 'drain',
  measures: 'no-op jobs enqueued in bulk, then worked off; contestants take turns, round by round',
  omits:
    'jobs that do something (the longer they run, the less the queue matters), several machines, a network between worker and database, a database that has other work. The runner, the workers and the database share the cores.',
  run,
}

/** One round: a fresh store, `jobs` no-op jobs in bulk, then as many worker processes until nothing is left. */
export async function drainRound(
  server: BenchServer,
  contestant: string,
  { jobs, batch, processes }: { jobs: number; batch: number; processes: number },
): Promise<DrainRound> {
  const store = await openStore(server, contestant, 'drain')
  try {
    const seconds = await enqueue(contestant, store.url, jobs, batch)
    await store.settle()
    const used = coresUsed()
    const workers = await startWorkers(contestant, store.url, processes, 'drain')
    while (!(await store.isEmpty())) await pause(ASK_EVERY_MS)
    const drainSeconds = (Date.now() - Math.min(...workers.map((worker) => worker.startedAt))) / 1_000
    const cores_busy = Math.round(100 * used())
    const ended = await Promise.all(workers.map((worker) => worker.stop()))
    return {
      contestant,
      processes,
      enqueue_per_second: Math.round(jobs / seconds),
      drain_per_second: Math.round(jobs / drainSeconds),
      worker_cpu_us_per_job: Math.round((ended.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) * 1e6) / jobs),
      cores_busy,
    }
  } finally {
    await store.close()
  }
}

async function run({ server, options, say }: Bench): Promise<Findings> {
  const { contestants, processes, batch } = options
  const [jobs, rounds] = [options.jobs ?? JOBS, options.rounds ?? ROUNDS]
  const measurements: DrainRound[] = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const count of processes) {
      for (const contestant of contestants) {
        const one = await drainRound(server, contestant, { jobs, batch, processes: count })
        measurements.push(one)
        say(`drain, round ${round} of ${rounds}: ${contestant} with ${count} process(es) ${one.drain_per_second}/s`)
      }
    }
  }
  const rate = (contestant: string, count: number): number[] =>
    measurements.filter((one) => one.contestant === contestant && one.processes === count).map((one) => one.drain_per_second)
  return {
    sizes: { jobs, rounds, batch, processes: processes.join(' and ') },
    tables: [ratesTable(measurements, options), ...againstPeers(rate, options), ...scaling(rate, options)],
    measurements,
  }
}

function ratesTable(measurements: DrainRound[], { contestants, processes }: Bench['options']): Table {
  const rows = processes.flatMap((count) =>
    contestants.map((contestant) => {
      const own = measurements.filter((one) => one.contestant === contestant && one.processes === count)
      const middle = (pick: (one: DrainRound) => number) => rounded(median(own.map(pick)))
      const figures = [
        middle((one) => one.drain_per_second),
        middle((one) => one.enqueue_per_second),
        middle((one) => one.worker_cpu_us_per_job),
        middle((one) => one.cores_busy),
      ]
      return [contestant, count, ...figures]
    }),
  )
  return { title: 'Medians', columns: ['', 'processes', 'drain jobs/s', 'bulk enqueue jobs/s', 'worker CPU us/job', 'cores busy %'], rows }
}

type Rates = (contestant: string, processes: number) => number[]

function againstPeers(rate: Rates, { contestants: [ours, ...peers], processes }: Bench['options']): Table[] {
  const rows = processes.flatMap((count) => peers.map((peer) => [peer, count, ratios(rate(ours!, count), rate(peer, count))]))
  if (rows.length === 0) return []
  return [
    { title: "Our drain rate over the peer's, least / median / greatest of the rounds (above 1: we are faster)", columns: ['', 'processes', 'ratio'], rows },
  ]
}

function scaling(rate: Rates, { contestants, processes }: Bench['options']): Table[] {
  const [one, ...more] = processes
  const rows = more.flatMap((count) =>
    contestants.map((contestant) => [contestant, `${count} over ${one}`, ratios(rate(contestant, count), rate(contestant, one!))]),
  )
  if (rows.length === 0) return []
  return [{ title: 'What more worker processes bring, least / median / greatest (the cores are the ceiling)', columns: ['', 'processes', 'ratio'], rows }]
}
