import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { readConfig } from '#config.ts'
import { removeEmbedded, startEmbeddedPostgres } from '#db/embedded.ts'
import { allowServiceLogins, serviceUrls } from '#db/logins.ts'
import { migrate } from '#db/migrations.ts'
import { insertOrganization } from '#db/organizations.ts'
import { openDatabase } from '#db/pool.ts'
import { Chance } from './chance.ts'
import { findBreaches, measureRescues } from './checks.ts'
import type { World } from './faults.ts'
import { Fleet } from './fleet.ts'
import { connectOwner } from './owner.ts'
import { storm } from './storm.ts'
import type { Log } from './storm.ts'
import { breached, describe, errorsIn } from './verdict.ts'
import type { Verdict } from './verdict.ts'
import { Workload } from './workload.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    workers: { type: 'string', default: '3' },
    rate: { type: 'string', default: '80' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(
    `npm run chaos -- [--minutes 2] [--seed N] [--workers 3] [--rate 80] [--json]

Kills and stops workers and PostgreSQL at random while ${values.rate} jobs a second are enqueued, cancelled and requeued, and proves afterwards
that none was lost and none had its effect twice. Exit code 1 where that is not so. The seed repeats the plan of faults and the mix of jobs.`,
  )
  process.exit(0)
}

const ORGANIZATIONS = 4
const PROGRESS_EVERY_MS = 5_000
/** After the last fault every job has ended within this time. */
const SETTLE_MS = 180_000
/** What a rescue may take beyond WORKER_LOST_MS and RESCUE_MS: waits for a database that was away, and a busy machine. */
const RESCUE_MARGIN_MS = 5_000

const [minutes, seed, rate] = [Number(values.minutes), Number(values.seed), Number(values.rate)]
const began = Date.now()
const say = (line: string): void => console.error(`${((Date.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${line}`)

const directory = await mkdtemp(join(tmpdir(), 'atum-desk-chaos-'))
// For root, whose PostgreSQL runs under another account: it may pass through to its cluster.
await chmod(directory, 0o711)
const workerLog = join(directory, 'workers.log')
const serverStarts: number[] = []
const end = new AbortController()
process.once('SIGINT', () => end.abort())

const world = await makeWorld()
const workload = await makeWorkload(world)
const progress = setInterval(() => void report(world), PROGRESS_EVERY_MS)
const verdict = await run(world, workload).finally(() => clearInterval(progress))
await Promise.all([world.owner.end(), world.database.end()])
await world.server.stop()
console.log(values.json ? JSON.stringify(verdict, null, 2) : describe(verdict))
if (verdict.sound) await removeEmbedded(directory)
else console.error(`The cluster and the workers' log are kept in ${directory}`)
process.exit(verdict.sound ? 0 : 1)

async function makeWorld(): Promise<World> {
  const server = await startEmbeddedPostgres({
    directory,
    say: (line) => {
      if (line.endsWith('is back.')) serverStarts.push(Date.now())
      say(line)
    },
    onGone: (error) => {
      console.error(error)
      process.exit(1)
    },
  })
  await migrate(server.url, 'up')
  await allowServiceLogins(server.url)
  const database = await openDatabase(serviceUrls(server.url), { size: 10, name: 'atum-desk chaos' })
  const fleet = new Fleet(server.url, Number(values.workers), workerLog)
  for (let index = 0; index < fleet.size; index += 1) fleet.start(index)
  return { config: readConfig(), server, database, fleet, owner: connectOwner(server.url) }
}

async function makeWorkload({ database }: World): Promise<Workload> {
  const organizations = await Promise.all(
    Array.from({ length: ORGANIZATIONS }, (_, n) => insertOrganization(database.system, { slug: `chaos-${n}`, name: `Organisation ${n}` })),
  )
  return new Workload(
    database,
    organizations.map(({ id }) => id),
    new Chance(seed),
    seed,
  )
}

async function run(world: World, workload: Workload): Promise<Verdict> {
  const deadline = setTimeout(() => end.abort(), minutes * 60_000)
  const log = await storm(world, workload, { seed, rate, signal: end.signal, say })
  clearTimeout(deadline)
  say('the faults are over; waiting for the last jobs')
  const settling = Date.now()
  while ((await liveJobs(world)) > 0 && Date.now() - settling < SETTLE_MS) await pause(200)
  const settle_ms = Date.now() - settling
  const settled = (await liveJobs(world)) === 0
  const drains_failed = await world.fleet.drain()
  return judge(world, workload, log, { settled, settle_ms, drains_failed })
}

async function judge(
  { owner, config, fleet }: World,
  { enqueued, batches, counts, refusals }: Workload,
  { faults, heldMax }: Log,
  ending: Pick<Verdict, 'settled' | 'settle_ms' | 'drains_failed'>,
): Promise<Verdict> {
  const rescue_bound_ms = config.WORKER_LOST_MS + config.RESCUE_MS + RESCUE_MARGIN_MS
  const rescues = await measureRescues(owner, fleet.silences, serverStarts)
  const breaches = await findBreaches(owner, { enqueued, batches, heldMax, rescues, rescueBoundMs: rescue_bound_ms })
  const tally = async (text: string): Promise<Record<string, number>> =>
    Object.fromEntries((await owner.query<{ name: string; n: number }>(text)).map(({ name, n }) => [name, n]))
  const states = await tally('select status::text as name, count(*)::int as n from job_queue group by status')
  const { done = 0, failed = 0, cancelled = 0, ...others } = states
  const other = Object.values(others).reduce((sum, n) => sum + n, 0)
  return {
    seed,
    minutes,
    workers: fleet.size,
    sound: !breached({ breaches, settled: ending.settled }),
    ...ending,
    jobs: { enqueued: done + failed + cancelled + other, done, failed, cancelled, other },
    operators: counts,
    events: await tally('select event::text as name, count(*)::int as n from job_events group by event order by event'),
    faults,
    worker_starts: fleet.starts,
    worker_deaths_of_their_own: fleet.ownDeaths,
    server_starts: serverStarts.length + 1,
    rescues,
    rescue_bound_ms,
    most_held_of_one_limit: heldMax,
    breaches,
    refusals: Object.fromEntries(refusals),
    worker_errors: await errorsIn(workerLog),
  }
}

async function liveJobs({ owner }: World): Promise<number> {
  const [row] = await owner.query<{ n: number }>(`select count(*)::int as n from job_queue where status not in ('done', 'failed', 'cancelled')`)
  return row!.n
}

async function report(world: World): Promise<void> {
  say(`${workload.enqueued.length} enqueued, ${await liveJobs(world)} of them live; workers running: ${world.fleet.running.length} of ${world.fleet.size}`)
}
