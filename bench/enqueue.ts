import { enqueue as enqueueIn } from './support/children.ts'
import { median, quantile, ratios, rounded } from './support/numbers.ts'
import { openStore } from './support/store.ts'
import type { BenchServer } from './support/server.ts'
import type { Bench, Findings, Suite } from './support/suite.ts'

const JOBS = 50_000
const ROUNDS = 3

export const enqueue: Suite = {
  name: 'enqueue',
  measures: 'jobs enqueued in bulk by one process, one call a batch, each by its own bulk function; nobody works them off meanwhile',
  omits: 'several enqueuers at a time, unique keys, jobs enqueued one by one (the ticket suite has that), and large payloads.',
  run,
}

async function run({ server, options, say }: Bench): Promise<Findings> {
  const { contestants, batch } = options
  const [jobs, rounds] = [options.jobs ?? JOBS, options.rounds ?? ROUNDS]
  const measurements: { contestant: string; per_second: number }[] = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const contestant of contestants) {
      const seconds = await enqueueRound(server, contestant, jobs, batch)
      measurements.push({ contestant, per_second: Math.round(jobs / seconds) })
      say(`enqueue, round ${round} of ${rounds}: ${contestant} ${Math.round(jobs / seconds)}/s`)
    }
  }
  const rate = (contestant: string): number[] => measurements.filter((one) => one.contestant === contestant).map((one) => one.per_second)
  return {
    sizes: { jobs, rounds, batch },
    tables: [
      {
        title: "Jobs a second, and ours over the peer's: least / median / greatest of the rounds (above 1: we are faster)",
        columns: ['', 'least', 'median', 'greatest', 'ours over it'],
        rows: contestants.map((contestant) => [
          contestant,
          ...[quantile(rate(contestant), 0), median(rate(contestant)), quantile(rate(contestant), 1)].map(rounded),
          contestant === contestants[0] ? null : ratios(rate(contestants[0]!), rate(contestant)),
        ]),
      },
    ],
    measurements,
  }
}

async function enqueueRound(server: BenchServer, contestant: string, jobs: number, batch: number): Promise<number> {
  const store = await openStore(server, contestant, 'drain')
  try {
    return await enqueueIn(contestant, store.url, jobs, batch)
  } finally {
    await store.close()
  }
}
