import { startWorker } from '#actors/worker.ts'
import type { Worker, WorkerOptions } from '#actors/worker.ts'
import { readConfig } from '#config.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { DEFAULT_BACKOFF, newJob } from '#jobs/job-type.ts'
import type { JobType } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { createLogger } from '#log.ts'
import { z } from 'zod'
import type { TestDatabase } from './database.ts'

export const quiet = createLogger('silent', 'test')

/** Quick beats, so that a test waits for tenths of a second where an operator waits for seconds. */
export const QUICK = { HEARTBEAT_MS: '100', WORKER_LOST_MS: '600', RESCUE_MS: '100', POLL_MS: '50', SCHEDULER_MS: '100', DRAIN_MS: '500' }

/** A worker on the test's database. It is not lost as quickly as it beats: a slow machine may keep it from its beats for a while. */
export function testWorker(database: TestDatabase, options: Partial<WorkerOptions> = {}, settings: Record<string, string> = {}): Promise<Worker> {
  return startWorker({
    config: readConfig({ ...QUICK, WORKER_LOST_MS: '10000', ...settings }),
    database,
    directUrl: database.ownerUrl,
    log: quiet,
    schedules: [],
    ...options,
  })
}

/** A kind of job made for one test. */
export function jobType(name: string, run: JobType['run'], options: Partial<JobType> = {}): JobType {
  return {
    name,
    queue: 'default',
    payload: z.unknown(),
    max_attempts: 3,
    timeout_ms: 60_000,
    backoff: { ...DEFAULT_BACKOFF, base_ms: 10 },
    belongs_to: 'either',
    run,
    ...options,
  }
}

export const typesOf = (...types: JobType[]): ReadonlyMap<string, JobType> => new Map(types.map((type) => [type.name, type]))

/** Enqueues PROBE jobs of the installation. */
export async function enqueueProbes(database: TestDatabase, count: number, payload: z.infer<typeof probe.payload> = {}): Promise<number[]> {
  const ids = await enqueueJobs(
    database.system,
    Array.from({ length: count }, () => newJob(probe, null, payload)),
  )
  return ids.map((id) => id!)
}

/** The job's events, in order: `ENQUEUE queued`, `CLAIM claimed`, ... */
export async function timeline(database: TestDatabase, id: number): Promise<string[]> {
  const rows = await database.owner(`select event || ' ' || to_state as step from job_events where job_id = $1 order by seq`, [id])
  return rows.map((row) => String(row['step']))
}

/** The job's row, as the owner sees it. */
export async function jobOf(database: TestDatabase, id: number): Promise<Record<string, unknown>> {
  const [row] = await database.owner('select * from job_queue where id = $1', [id])
  return row!
}
