/** A worker as a process of its own, to be killed and stopped: `node bench/chaos/worker.ts OWNER_URL`. Settings come from the environment. */
import { hostname } from 'node:os'
import { startWorker } from '#actors/worker.ts'
import { whenReachable } from '#cli/reach.ts'
import { readConfig } from '#config.ts'
import { serviceUrls } from '#db/logins.ts'
import { openDatabase } from '#db/pool.ts'
import { workerSession } from '#db/workers.ts'
import type { JobType } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { createLogger } from '#log.ts'
import { nap } from './nap.ts'

const urls = serviceUrls(process.argv[2]!)
const config = readConfig()
const log = createLogger('warn', 'worker')
// A worker whose parent is gone has nobody to start it again, and nobody to end it.
process.on('disconnect', () => process.exit(1))
// As `atum-desk work` does: PostgreSQL may be down, or coming up.
const open = () => openDatabase(urls, { size: config.DATABASE_POOL_SIZE, name: workerSession(hostname(), process.pid) })
const database = (await whenReachable(open, new AbortController().signal, log, { waitMs: config.DATABASE_WAIT_MS }))!
const worker = await startWorker({
  config,
  database,
  directUrl: urls.system,
  log,
  jobTypes: new Map([probe as unknown as JobType, nap as unknown as JobType].map((type) => [type.name, type])),
  queues: [probe.queue, nap.queue],
  schedules: [],
})
process.on('SIGTERM', () => void worker.drain())
process.send?.('ready')
await worker.stopped
await database.end()
process.exit(0)
