import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { readJobCounts } from '#db/job-counts.ts'
import type { JobCount } from '#db/job-counts.ts'
import { oldestDue } from '#db/job-lists.ts'
import { listDependencies } from '#db/dependencies.ts'
import { isSchemaBehind } from '#db/errors.ts'
import type { Database } from '#db/pool.ts'
import { jobTypes, QUEUES } from '#jobs/registry.ts'
import type { Logger } from '#log.ts'
import { JOB_STATES } from '#machines/job.ts'
import { metrics } from '#metrics.ts'
import { showPools } from '#pool-gauges.ts'

/** A scrape shows a reading that is never older than 15 s: it is taken every 10 s, and may itself take 2 s. */
const EVERY_MS = 10_000
const PATIENCE_MS = 2_000

/** Keeps the gauges that come from the database fresh, whoever scrapes how often. */
export interface GaugeReading {
  /** Resolves when there is a reading, or after 2 s without one. */
  ready(): Promise<void>
  stop(): void
}

export function startGauges(database: Database, log: Logger): GaugeReading {
  const loop = monitorEventLoopDelay()
  loop.enable()
  let reading: Promise<void> | null = null
  let first: Promise<void> | null = null

  const refresh = () => {
    reading ??= read(database, log).finally(() => (reading = null))
    return reading
  }
  const timer = setInterval(() => {
    if (first) void refresh()
  }, EVERY_MS).unref()
  return {
    ready: async () => {
      first ??= refresh()
      await Promise.race([first, pause(PATIENCE_MS, undefined, { ref: false })])
      showPools(database)
      metrics.eventLoopLag.set(loop.percentile(99) / 1e9)
      loop.reset()
    },
    stop: () => {
      clearInterval(timer)
      loop.disable()
    },
  }
}

async function read(database: Database, log: Logger): Promise<void> {
  try {
    const [counts, oldest, dependencies] = await database.system.transaction(
      async (tx) => [await readJobCounts(tx, null), await oldestDue(tx), await listDependencies(tx)] as const,
    )
    metrics.databaseUp.set(1)
    showDepths(counts)
    metrics.oldestDue.reset()
    for (const queue of QUEUES) metrics.oldestDue.set({ queue }, 0)
    for (const { queue, seconds } of oldest) metrics.oldestDue.set({ queue }, seconds)
    const model = dependencies.find(({ name }) => name === 'language_model')
    metrics.ollamaUp.set(model?.last_ok_at && (model.last_failure_at ?? model.last_ok_at) <= model.last_ok_at ? 1 : 0)
  } catch (error) {
    // A database that was taken down to an older version answers, and has no jobs to count.
    metrics.databaseUp.set(isSchemaBehind(error) ? 1 : 0)
    metrics.jobQueueDepth.reset()
    metrics.ragQueueDepth.reset()
    metrics.oldestDue.reset()
    log.warn({ err: error }, 'could not read the gauges')
  }
}

/** Every state of every type is set, 0 included: a label that vanishes would leave its last value standing. */
function showDepths(counts: readonly JobCount[]): void {
  metrics.jobQueueDepth.reset()
  metrics.ragQueueDepth.reset()
  for (const status of JOB_STATES) {
    metrics.ragQueueDepth.set({ status }, 0)
    for (const job_type of jobTypes.keys()) metrics.jobQueueDepth.set({ job_type, status }, 0)
  }
  // A type may stand in several queues: a retired name beside the new one.
  for (const { job_type, status, jobs } of counts) {
    metrics.jobQueueDepth.inc({ job_type, status }, jobs)
    if (job_type === 'RAG_INDEX') metrics.ragQueueDepth.inc({ status }, jobs)
  }
}
