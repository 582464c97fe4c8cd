import { startWorker } from '#actors/worker.ts'
import { readConfig } from '#config.ts'
import { enqueueJobs } from '#db/jobs.ts'
import { allowServiceLogins, serviceUrls } from '#db/logins.ts'
import { migrate } from '#db/migrations.ts'
import { openDatabase } from '#db/pool.ts'
import { DEFAULT_BACKOFF, newJob } from '#jobs/job-type.ts'
import type { JobType } from '#jobs/job-type.ts'
import { createLogger } from '#log.ts'
import { z } from 'zod'
import { contest } from '../support/contest.ts'

const noop: JobType = {
  name: 'NOOP',
  queue: 'default',
  payload: z.unknown(),
  max_attempts: 25,
  timeout_ms: 60_000,
  backoff: DEFAULT_BACKOFF,
  belongs_to: 'either',
  run: async () => ({ kind: 'succeed' }),
}

const open = (url: string) => openDatabase(serviceUrls(url), { size: 10, name: 'bench' })

/** Ourselves, with the settings that everyone gets. Every transition is a row in job_events. */
await contest({
  async setup(url) {
    await migrate(url, 'up')
    await allowServiceLogins(url)
  },
  async enqueue(url, count, batch) {
    const database = await open(url)
    return {
      add: async () => {
        for (let at = 0; at < count; at += batch) {
          await enqueueJobs(
            database.system,
            Array.from({ length: Math.min(batch, count - at) }, (_, index) => newJob(noop, null, { id: at + index })),
          )
        }
      },
      end: () => database.end(),
    }
  },
  async work(url) {
    const database = await open(url)
    const worker = await startWorker({
      config: readConfig({}),
      database,
      directUrl: url,
      log: createLogger('warn', 'bench'),
      jobTypes: new Map([[noop.name, noop]]),
      queues: ['default'],
      schedules: [],
    })
    return async () => {
      await worker.drain()
      await database.end()
    }
  },
})
