import type { BulkheadPolicy } from 'cockatiel'
import type { Config } from '#config.ts'
import type { Database } from '#db/pool.ts'
import type { JobType } from '#jobs/job-type.ts'
import type { Logger } from '#log.ts'

/** What every actor is given: the settings, the database, the kinds of job, the log. */
export interface Engine {
  config: Config
  database: Database
  /** The database without a pooler, for LISTEN; absent: polling alone. */
  directUrl: string | undefined
  jobTypes: ReadonlyMap<string, JobType>
  workerName: string
  /** Lets so many transactions of handlers run at a time that the engine's own statements find a connection. */
  transactions: BulkheadPolicy
  log: Logger
  /** 0 to 1, for jitter. */
  chance(): number
}
