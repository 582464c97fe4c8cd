import { setTimeout as pause } from 'node:timers/promises'
import { Command } from 'commander'
import { readConfig } from '#config.ts'
import { isDatabaseAway } from '#db/errors.ts'
import type { Logger } from '#log.ts'
import { requireOwnerUrl } from './connection.ts'
import { examples, print } from './output.ts'
import { listenForStop, whenAborted } from './stop.ts'

export function workCommand(): Command {
  return new Command('work')
    .description('run a worker: it claims jobs until it is stopped, then finishes within DRAIN_MS and gives the rest back')
    .option('--json', 'print the worker as JSON once it is registered')
    .addHelpText(
      'after',
      `${examples('work', 'work --json')}\n\nDATABASE_URL, DATABASE_DIRECT_URL, WORKER_QUEUES, WORKER_CONCURRENCY, WORKER_METRICS_PORT and DRAIN_MS are read from the environment.`,
    )
    .action(work)
}

async function work({ json }: { json?: boolean }): Promise<void> {
  const config = readConfig()
  const stop = listenForStop()
  const [{ startWorker }, { openDatabase }, { serviceUrls }, { createLogger }] = await Promise.all([
    import('#actors/worker.ts'),
    import('#db/pool.ts'),
    import('#db/logins.ts'),
    import('#log.ts'),
  ])
  const { serveWorkerMetrics } = await import('./worker-metrics.ts')
  const ownerUrl = await requireOwnerUrl(config)
  const log = createLogger(config.LOG_LEVEL, 'worker')
  const open = () => openDatabase(serviceUrls(ownerUrl), { size: config.DATABASE_POOL_SIZE, name: 'atum-desk worker' })
  const database = await whenReachable(open, stop.asked, log)
  if (!database) process.exit(0)
  const starting = startWorker({ config, database, directUrl: serviceUrls(config.DATABASE_DIRECT_URL ?? ownerUrl).system, log })
  const metricsUrl = await serveWorkerMetrics(config)
  const worker = await Promise.race([starting, whenAborted(stop.asked)])
  // Asked to stop before it could register, because the database is away: it holds nothing.
  if (!worker) process.exit(0)
  if (json) print(json, { worker: worker.id, pid: process.pid, metrics: metricsUrl && `${metricsUrl}/metrics` }, () => '')
  await Promise.race([worker.stopped, whenAborted(stop.asked)])
  // A drain that hangs, on a database that went away, say, must not outlive its time.
  await Promise.race([worker.drain(), whenAborted(stop.hurried), lastMoment(config.DRAIN_MS)])
  await Promise.race([database.end(), whenAborted(stop.hurried), lastMoment(0)])
  process.exit(stop.hurried.aborted ? 130 : 0)
}

const REACH_PAUSE_MS = { first: 200, max: 5_000 }
const LAST_MOMENT_MS = 3_000

/** Waits for a database that is away: a worker may be started before it. Null where the program is to end meanwhile. */
async function whenReachable<T>(open: () => Promise<T>, asked: AbortSignal, log: Logger): Promise<T | null> {
  for (let wait = REACH_PAUSE_MS.first; !asked.aborted; wait = Math.min(wait * 2, REACH_PAUSE_MS.max)) {
    try {
      return await open()
    } catch (error) {
      if (!isDatabaseAway(error)) throw error
      if (wait === REACH_PAUSE_MS.first) log.warn({ error: String(error) }, 'the database is away; waiting for it')
      await Promise.race([pause(wait), whenAborted(asked)])
    }
  }
  return null
}

function lastMoment(drainMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, drainMs + LAST_MOMENT_MS).unref())
}
