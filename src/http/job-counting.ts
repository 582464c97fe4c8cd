import { settleJobCounts } from '#db/job-counts.ts'
import type { DatabasePool } from '#db/pool.ts'
import type { Logger } from '#log.ts'

const EVERY_MS = 2_000

/** Keeps the counts of jobs cheap to read, beside the requests. What it has not come to yet is counted job by job, and as exact. */
export interface JobCounting {
  /** Resolves when what is under way has ended. */
  stop(): Promise<void>
}

/** Begins at once and goes on every two seconds; while there is much to settle, without a pause. */
export function startJobCounting(pool: DatabasePool, log: Logger): JobCounting {
  let stopped = false
  let failing = false
  let after = -1
  let running: Promise<void> | null = null

  async function settle(): Promise<void> {
    try {
      for (let settled = 1; settled > 0 && !stopped;) {
        const looked = await settleJobCounts(pool, after)
        settled = looked.settled
        // The ranges are gone through from the first again when the last was looked at.
        after = looked.last ?? -1
      }
      failing = false
    } catch (error) {
      // Once for each outage: the database is away, or older than this program.
      if (!failing && !stopped) log.warn({ err: error }, 'could not settle the counts of jobs: they are read at full cost until it works again')
      failing = true
    }
  }

  const begin = () => {
    running ??= settle().finally(() => (running = null))
  }
  const timer = setInterval(begin, EVERY_MS).unref()
  begin()
  return {
    stop: async () => {
      stopped = true
      clearInterval(timer)
      await running
    },
  }
}
