import { hostname } from 'node:os'
import { Command } from 'commander'
import type { Worker } from '#actors/worker.ts'
import { readEmbeddingsConfig } from '#ai/embeddings-config.ts'
import { readLlmConfig } from '#ai/llm-config.ts'
import { readConfig } from '#config.ts'
import type { Database } from '#db/pool.ts'
import { readDeliveryConfig } from '#jobs/delivery-config.ts'
import { endTracing, startTracing } from '#tracing.ts'
import { requireOwnerUrl } from './connection.ts'
import { explain } from './failure.ts'
import { examples, print } from './output.ts'
import { whenReachable } from './reach.ts'
import { listenForStop, whenAborted } from './stop.ts'
import { reportToSystemd } from './systemd.ts'

export function workCommand(): Command {
  return new Command('work')
    .description('run a worker: it claims jobs until it is stopped or asked to drain, then finishes within DRAIN_MS, gives the rest back and ends')
    .option('--json', 'print the worker as JSON once it is registered')
    .addHelpText(
      'after',
      `${examples('work', 'work --json')}\n\nDATABASE_URL, DATABASE_DIRECT_URL, WORKER_QUEUES, WORKER_CONCURRENCY, WORKER_METRICS_PORT and DRAIN_MS are read from the environment.`,
    )
    .action(work)
}

async function work({ json }: { json?: boolean }): Promise<void> {
  const config = readConfig()
  // A wrong setting of what handlers reach stops the start as well.
  readLlmConfig()
  readEmbeddingsConfig()
  readDeliveryConfig()
  const stop = listenForStop()
  const [{ startWorker }, { ping }, { openDatabase }, { serviceUrls }, { workerSession }, { createLogger }] = await Promise.all([
    import('#actors/worker.ts'),
    import('#db/health.ts'),
    import('#db/pool.ts'),
    import('#db/logins.ts'),
    import('#db/workers.ts'),
    import('#log.ts'),
  ])
  const { serveWorkerMetrics, tellCounts } = await import('./worker-metrics.ts')
  tellCounts()
  const ownerUrl = await requireOwnerUrl(config)
  const log = createLogger(config.LOG_LEVEL, 'worker')
  await startTracing(config, 'atum-desk-worker', (facts, message) => log.warn(facts, message))
  let database: Database | null = null
  let worker: Worker | void
  const systemd = reportToSystemd({
    roundTrip: async () => database && ping(database.system),
    status: () => (worker ? `worker ${worker.id}, ${worker.jobs()} jobs in hand` : 'waiting for the database'),
    log,
  })
  const open = () => openDatabase(serviceUrls(ownerUrl), { size: config.DATABASE_POOL_SIZE, name: workerSession(hostname(), process.pid) })
  database = await whenReachable(open, stop.asked, log, { waitMs: config.DATABASE_WAIT_MS })
  if (!database) process.exit(0)
  const starting = startWorker({ config, database, directUrl: serviceUrls(config.DATABASE_DIRECT_URL ?? ownerUrl).system, log })
  const metricsUrl = await serveWorkerMetrics(config, database)
  worker = await Promise.race([starting, whenAborted(stop.asked)])
  // Asked to stop before it could register, because the database is away: it holds nothing.
  if (!worker) process.exit(0)
  if (json) print(json, { worker: worker.id, pid: process.pid, metrics: metricsUrl && `${metricsUrl}/metrics` }, () => '')
  await systemd.ready()
  try {
    await Promise.race([worker.stopped, whenAborted(worker.ending), whenAborted(stop.asked)])
  } catch (error) {
    // It failed upwards: pools and timers that are left must not keep it from being started again.
    log.fatal({ err: error }, 'the worker failed')
    process.stderr.write(`${explain(error)}\n`)
    process.exit(1)
  }
  void systemd.stopping(config.DRAIN_MS + 2 * LAST_MOMENT_MS)
  // A drain that hangs, on a database that went away, say, must not outlive its time.
  await Promise.race([worker.drain(), whenAborted(stop.hurried), lastMoment(config.DRAIN_MS)])
  await Promise.race([Promise.all([database.end(), endTracing()]), whenAborted(stop.hurried), lastMoment(0)])
  process.exit(stop.hurried.aborted ? 130 : 0)
}

const LAST_MOMENT_MS = 3_000

function lastMoment(drainMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, drainMs + LAST_MOMENT_MS).unref())
}
