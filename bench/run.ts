import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { drainRound } from './drain.ts'
import type { DrainRound } from './drain.ts'
import { benchServer, SERVER_SETTINGS } from './support/server.ts'

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '5' },
    processes: { type: 'string', default: '1' },
    peers: { type: 'string', default: 'graphile-worker,pg-boss,bullmq' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(
    'npm run bench -- [--jobs 100000] [--rounds 5] [--processes 1] [--peers graphile-worker,pg-boss,bullmq]\nRun it on a machine that does nothing else.',
  )
  process.exit(0)
}

const PEERS = fileURLToPath(new URL('./peers', import.meta.url))
if (!existsSync(`${PEERS}/node_modules`)) {
  console.log('Installing the peers (once).')
  spawnSync('npm', ['ci', '--prefix', PEERS, '--silent'], { stdio: 'inherit' })
}

const jobs = Number(values.jobs)
const contestants = ['atum-desk', ...values.peers.split(',').filter(Boolean)]
const rounds: DrainRound[] = []
const server = await benchServer()
try {
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    for (const contestant of contestants) {
      const result = await drainRound(server, contestant, jobs, Number(values.processes))
      rounds.push(result)
      console.log(
        `round ${round}  ${contestant.padEnd(16)} drain ${String(result.drain_per_second).padStart(7)}/s   bulk enqueue ${String(result.enqueue_per_second).padStart(7)}/s   worker CPU ${result.worker_cpu_us_per_job} us/job`,
      )
    }
  }
} finally {
  await server.stop()
}

const median = (numbers: number[]): number => numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)]!
const of = (contestant: string, field: 'drain_per_second' | 'enqueue_per_second'): number[] =>
  rounds.filter((round) => round.contestant === contestant).map((round) => round[field])
const summary = contestants.slice(1).map((peer) => {
  const ratios = (field: 'drain_per_second' | 'enqueue_per_second') => {
    const each = of('atum-desk', field).map((ours, round) => ours / of(peer, field)[round]!)
    return { min: round2(Math.min(...each)), median: round2(median(each)), max: round2(Math.max(...each)) }
  }
  return { peer, drain_ratio: ratios('drain_per_second'), enqueue_ratio: ratios('enqueue_per_second') }
})
function round2(number: number): number {
  return Math.round(number * 100) / 100
}

console.log(`\natum-desk against its peers, round by round (above 1: we are faster); ${jobs} no-op jobs, ${values.processes} worker process(es)`)
for (const { peer, drain_ratio, enqueue_ratio } of summary) {
  console.log(
    `${peer.padEnd(16)} drain ${drain_ratio.min} / ${drain_ratio.median} / ${drain_ratio.max}   bulk enqueue ${enqueue_ratio.min} / ${enqueue_ratio.median} / ${enqueue_ratio.max}   (min / median / max)`,
  )
}
await mkdir(new URL('./results/', import.meta.url), { recursive: true })
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memory_gib: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  server: SERVER_SETTINGS,
}
await writeFile(
  new URL('./results/drain.json', import.meta.url),
  `${JSON.stringify({ machine, jobs, processes: Number(values.processes), rounds, summary }, null, 2)}\n`,
)
