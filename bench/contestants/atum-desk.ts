import { startWorker } from '#actors/worker.ts'
import { readConfig } from '#config.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { allowServiceLogins, serviceUrls } from '#db/logins.ts'
import { migrate } from '#db/migrations.ts'
import { openDatabase } from '#db/pool.ts'
import type { Database } from '#db/pool.ts'
import { startNotifier } from '#http/notifier.ts'
import { DEFAULT_BACKOFF, newJob } from '#jobs/job-type.ts'
import type { JobType } from '#jobs/job-type.ts'
import { createLogger } from '#log.ts'
import { z } from 'zod'
import { contest } from '../support/contest.ts'
import { clockMs } from '../support/watch.ts'
import type { Watch } from '../support/watch.ts'

const typeOf = (watch: Watch | null): JobType => ({
  name: 'NOOP',
  queue: 'default',
  payload: z.unknown(),
  max_attempts: 25,
  timeout_ms: 60_000,
  backoff: DEFAULT_BACKOFF,
  belongs_to: 'either',
  run: async ({ payload }) => {
    watch?.started(payload)
    return { kind: 'succeed' }
  },
})

const noop = typeOf(null)
const open = (url: string) => openDatabase(serviceUrls(url), { size: 10, name: 'bench' })

/** Ourselves, with the settings that everyone gets. Every transition is a row in job_events. */
await contest({
  async setup(url) {
    await migrate(url, 'up')
    await allowServiceLogins(url)
  },
  async enqueue(url, purpose) {
    const database = await open(url)
    // As the API has it.
    const notifier = startNotifier(database.system, createLogger('warn', 'bench'))
    return {
      add: async (payloads) => {
        const jobs = payloads.map((payload) => newJob(noop, null, payload))
        if (purpose === 'drain') return enqueueJobs(database.system, jobs)
        using wake = notifier.wake()
        await enqueueJobs(database.system, jobs, wake.atCommit)
        return wake.notify(noop.queue)
      },
      end: async () => {
        await notifier.idle()
        await database.end()
      },
    }
  },
  async work(url, watch) {
    const database = await open(url)
    const worker = await startWorker({
      config: readConfig({}),
      database: watch ? timed(database, watch) : database,
      directUrl: url,
      log: createLogger('warn', 'bench'),
      jobTypes: new Map([[noop.name, typeOf(watch)]]),
      queues: [noop.queue],
      schedules: [],
    })
    return async () => {
      await worker.drain()
      await database.end()
    }
  },
})

/** Times each claim that comes back with jobs, from the call to the rows. */
function timed(database: Database, watch: Watch): Database {
  const { system } = database
  const any: typeof system.any = async (query) => {
    const started = clockMs()
    const rows = await system.any(query)
    if (rows.length > 0 && query.sql.includes('insert into job_leases')) watch.claimed(clockMs() - started)
    return rows
  }
  return { ...database, system: { ...system, any } }
}
