import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { api } from './api.ts'
import { consoleSuite } from './console.ts'
import { drain } from './drain.ts'
import { enqueue } from './enqueue.ts'
import { flat } from './flat.ts'
import { latency } from './latency.ts'
import { load } from './load.ts'
import { pages } from './pages.ts'
import { replan } from './replan.ts'
import { readMachine } from './support/machine.ts'
import { hasRedis } from './support/redis.ts'
import { print, reportOn, write } from './support/report.ts'
import type { Report } from './support/report.ts'
import { benchServer } from './support/server.ts'
import type { Options, Suite } from './support/suite.ts'
import { search } from './search.ts'
import { ticket } from './ticket.ts'

const SUITES: readonly Suite[] = [drain, enqueue, latency, ticket, flat, api, consoleSuite, search, load, pages, replan]
const PEERS = ['graphile-worker', 'pg-boss', 'bullmq']
const PEERS_FOLDER = fileURLToPath(new URL('./peers', import.meta.url))

const HELP = `npm run bench -- [SUITE...] [options]      on a machine that does nothing else

Suites (all, where none is named; about 15 minutes on two cores):
${SUITES.map((suite) => `  ${suite.name.padEnd(9)}${suite.measures}`).join('\n')}

  --jobs N            jobs a round (each suite has a size of its own)
  --rounds N          rounds, in which the contestants take turns
  --processes 1,2     worker processes (drain)
  --peers A,B         of ${PEERS.join(', ')}; none: only ourselves
  --batch 1000        jobs a call that enqueues in bulk
  --rate N            jobs a second for everybody under load (latency); else half of each one's own drain rate
  --history 1000000   finished jobs, with ten events each (flat, api, console)
  --backlog 1000000   queued jobs (flat)
  --held-minutes 1    how long a transaction is held open (flat); 10 for the full claim
  --requests 200      requests of each kind (api, search, pages); openings of a page, 30 at most (console)
  --tickets N         tickets that there are (search, load, pages, replan)
  --json              one line of JSON a suite on standard output, progress on standard error

bench/results/SUITE.json keeps each measurement. BENCH_DATABASE_URL measures on another server than the embedded one (a superuser of it).`

/** The options as parseArgs wants them. */
const GIVEN = {
  jobs: { type: 'string' },
  rounds: { type: 'string' },
  processes: { type: 'string', default: '1,2' },
  peers: { type: 'string', default: PEERS.join(',') },
  batch: { type: 'string', default: '1000' },
  rate: { type: 'string' },
  history: { type: 'string', default: '1000000' },
  backlog: { type: 'string', default: '1000000' },
  'held-minutes': { type: 'string', default: '1' },
  requests: { type: 'string', default: '200' },
  tickets: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

class UsageError extends Error {
  override name = 'UsageError'
}

function readCommand() {
  const { values, positionals } = parseArgs({ options: GIVEN, allowPositionals: true })
  const above0 = (name: string, text: string): number => {
    const number = Number(text)
    if (!(number > 0 && Number.isFinite(number))) throw new UsageError(`--${name} must be a number above 0, not ${text}`)
    return number
  }
  const count = (name: string, text: string): number => {
    if (!Number.isInteger(above0(name, text))) throw new UsageError(`--${name} must be a whole number, not ${text}`)
    return Number(text)
  }
  const suites = positionals.map((name) => {
    const suite = SUITES.find((one) => one.name === name)
    if (!suite) throw new UsageError(`There is no suite ${name}. There are: ${SUITES.map((one) => one.name).join(', ')}`)
    return suite
  })
  const options: Options = {
    jobs: values.jobs === undefined ? null : count('jobs', values.jobs),
    rounds: values.rounds === undefined ? null : count('rounds', values.rounds),
    processes: values.processes.split(',').map((text) => count('processes', text)),
    contestants: ['atum-desk', ...readPeers(values.peers)],
    batch: count('batch', values.batch),
    rate: values.rate === undefined ? null : above0('rate', values.rate),
    history: count('history', values.history),
    backlog: count('backlog', values.backlog),
    held_minutes: above0('held-minutes', values['held-minutes']),
    requests: count('requests', values.requests),
    tickets: values.tickets === undefined ? null : count('tickets', values.tickets),
  }
  return { suites: suites.length > 0 ? suites : SUITES, options, json: values.json, help: values.help }
}

function readPeers(text: string): string[] {
  const wanted = text.split(',').filter((name) => name !== '' && name !== 'none')
  const unknown = wanted.find((name) => !PEERS.includes(name))
  if (unknown) throw new UsageError(`There is no peer ${unknown}. There are: ${PEERS.join(', ')}, or none`)
  if (!wanted.includes('bullmq') || hasRedis()) return wanted
  console.error('redis-server is not installed, so BullMQ is left out.')
  return wanted.filter((name) => name !== 'bullmq')
}

function installPeers(contestants: readonly string[]): void {
  if (contestants.length === 1 || existsSync(`${PEERS_FOLDER}/node_modules`)) return
  console.error('Installing the peers (once).')
  const { status } = spawnSync('npm', ['ci', '--prefix', PEERS_FOLDER, '--silent'], { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw new UsageError('The peers could not be installed; --peers none measures ourselves alone.')
}

async function main(): Promise<void> {
  const { suites, options, json, help } = readCommand()
  if (help) return console.log(HELP)
  installPeers(options.contestants)
  const server = await benchServer()
  try {
    for (const suite of suites) {
      const machine = await readMachine(server.url('postgres'))
      const report: Report = await reportOn(suite, machine, () => suite.run({ server, options, say: (line) => console.error(line) }))
      await write(report)
      if (json) console.log(JSON.stringify(report))
      else print(report)
    }
  } finally {
    await server.stop()
  }
}

try {
  await main()
} catch (error) {
  if (!(error instanceof UsageError) && !(error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS')) throw error
  console.error((error as Error).message)
  process.exitCode = 2
}
