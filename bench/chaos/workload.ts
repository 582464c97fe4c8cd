import { enqueueBatch } from '#db/job-dependencies.ts'
import { moveJobs } from '#db/job-bulk.ts'
import { moveJob } from '#db/job-moves.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { notifyWorkers } from '#db/jobs.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import { isDatabaseAway, sqlState } from '#db/errors.ts'
import { inOrganization } from '#db/pool.ts'
import { rescheduleJob } from '#db/reschedule.ts'
import type { Database, DatabaseTransactionConnection } from '#db/pool.ts'
import { newJob } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import type { Chance } from './chance.ts'
import { nap } from './nap.ts'

export const QUEUES = [probe.queue, nap.queue] as const
/** At most this many jobs of one limit key are held at a time. */
export const LIMIT_MAX = 3
const UNIQUE_KEYS = 5
const LIMIT_KEYS = 3
const BATCH_JOBS = 5
/** Some calls bring so many times the jobs: enough to stand in bundles, of which claims take parts and operators single ones. */
const BURST = { share: 0.06, times: 8 }
/** Cancels aim at the newest jobs, which may still be on their way. */
const NEWEST = 40
/** So many of the cancels are of several jobs at once, neighbours of which many share a bundle, and so many put a job off instead. */
const BULK = { share: 0.2, jobs: 12 }
const PUT_OFF = { share: 0.2, ms: 3_000 }

type Make = (chance: Chance, marker: string) => Partial<NewJob> & { payload: Record<string, unknown> }

/** The kinds of job in the stream; without a marker a job has no effect, and goes the way of the quick ones. */
const KINDS: readonly { weight: number; make: Make }[] = [
  { weight: 25, make: (chance) => ({ payload: { sleep_ms: chance.between(0, 20) } }) },
  { weight: 25, make: (chance, marker) => ({ payload: { sleep_ms: chance.between(0, 50), marker }, priority: chance.between(-1, 1) }) },
  { weight: 12, make: (chance, marker) => ({ payload: { fail_times: chance.between(1, 3), marker } }) },
  { weight: 4, make: (_chance, marker) => ({ payload: { fail_times: 100, permanent: true, marker } }) },
  { weight: 3, make: (_chance, marker) => ({ payload: { fail_times: 100, marker }, max_attempts: 2 }) },
  { weight: 4, make: (chance, marker) => ({ payload: { sleep_ms: chance.between(2_000, 6_000), marker } }) },
  { weight: 8, make: (chance, marker) => ({ payload: { marker }, delay_ms: chance.between(100, 5_000) }) },
  { weight: 6, make: (chance, marker) => ({ payload: { naps_ms: chance.between(100, 4_000), marker }, job_type: nap.name }) },
  { weight: 8, make: (chance, marker) => ({ payload: { sleep_ms: 20, marker }, unique_key: `key ${chance.between(1, UNIQUE_KEYS)}` }) },
  {
    weight: 5,
    make: (chance, marker) => ({
      payload: { sleep_ms: chance.between(10, 100), marker },
      limit_key: `limit ${chance.between(1, LIMIT_KEYS)}`,
      limit_max: LIMIT_MAX,
    }),
  },
]

const callbackOf: Make = (_chance, marker) => ({ payload: { marker } })

/** A batch that was enqueued, and the job that had to wait for all of it. */
export interface Batch {
  jobs: number[]
  callback: number
}

/** The stream of jobs of several organisations, and the operators who cancel and requeue some; it keeps what was confirmed to it. */
export class Workload {
  readonly #database: Database
  readonly #chance: Chance
  readonly #organizations: readonly (string | null)[]
  readonly #seed: number
  #count = 0
  /** Jobs whose enqueuing transaction was confirmed. */
  readonly enqueued: number[] = []
  readonly batches: Batch[] = []
  readonly counts = { duplicates: 0, cancelled: 0, cancels_asked_for: 0, put_off: 0, requeued: 0, unanswered: 0 }
  /** What an operator or enqueuer was answered besides, by SQLSTATE: nobody should be. */
  readonly refusals = new Map<string, number>()

  constructor(database: Database, organizations: readonly string[], chance: Chance, seed: number) {
    this.#database = database
    this.#chance = chance
    this.#organizations = [...organizations, null]
    this.#seed = seed
  }

  /** Enqueues `count` jobs, or a burst, in one transaction, for one organisation or the installation. */
  async enqueue(count: number): Promise<void> {
    const owner = this.#chance.pick(this.#organizations)
    const length = this.#chance.next() < BURST.share ? count * BURST.times : count
    const jobs = Array.from({ length }, () => this.#newJob(owner, this.#chance.weighted(KINDS).make))
    const callback = this.#newJob(owner, callbackOf)
    const asBatch = this.#chance.next() < 0.1
    await this.#attempt(async () => {
      const ids = await this.#transaction(owner, async (tx) => {
        if (!asBatch) return enqueueJobs(tx, jobs)
        const batch = await enqueueBatch(tx, jobs.slice(0, BATCH_JOBS), callback)
        return [...batch.jobs, batch.callback]
      })
      const taken = ids.filter((id) => id !== null)
      if (asBatch) this.batches.push({ jobs: taken.slice(0, -1), callback: taken.at(-1)! })
      this.enqueued.push(...taken)
      this.counts.duplicates += ids.length - taken.length
      await notifyWorkers(this.#database.system, JSON.stringify({ queues: QUEUES }))
    })
  }

  /** An operator cancels one of the newest jobs, or several, or puts one off, or requeues any that has ended. */
  async meddle(): Promise<void> {
    const type = this.#chance.next() < 0.6 ? 'CANCEL' : 'REQUEUE'
    const from = type === 'CANCEL' ? Math.max(0, this.enqueued.length - NEWEST) : 0
    const at = this.#chance.next()
    const id = this.enqueued[from + Math.floor(at * (this.enqueued.length - from))]
    if (id === undefined) return
    const way = type === 'CANCEL' ? this.#chance.next() : 1
    if (way < BULK.share) return this.#cancelSeveral(this.enqueued.filter((job) => job >= id && job < id + BULK.jobs))
    if (way < BULK.share + PUT_OFF.share) return this.#putOff(id, this.#chance.between(0, PUT_OFF.ms))
    await this.#attempt(async () => {
      const { kind } = await this.#database.system.transaction((tx) => moveJob(tx, id, { type }, { by: 'chaos' }))
      if (kind === 'requested') {
        this.counts.cancels_asked_for += 1
        await notifyWorkers(this.#database.system, JSON.stringify({ cancel: [id] }))
      }
      if (kind === 'moved') this.counts[type === 'CANCEL' ? 'cancelled' : 'requeued'] += 1
    })
  }

  async #cancelSeveral(ids: readonly number[]): Promise<void> {
    await this.#attempt(async () => {
      const { moved, requested } = await this.#database.system.transaction((tx) =>
        moveJobs(tx, ids, { type: 'CANCEL', states: ['queued', 'retried', 'claimed', 'running'], details: { by: 'chaos' } }),
      )
      if (requested.length > 0) await notifyWorkers(this.#database.system, JSON.stringify({ cancel: requested }))
      this.counts.cancels_asked_for += requested.length
      this.counts.cancelled += moved.length
    })
  }

  async #putOff(id: number, ms: number): Promise<void> {
    await this.#attempt(async () => {
      const isWaiting = await this.#database.system.transaction((tx) => rescheduleJob(tx, id, new Date(Date.now() + ms).toISOString()))
      if (isWaiting) this.counts.put_off += 1
    })
  }

  #newJob(owner: string | null, make: Make): NewJob {
    this.#count += 1
    const queue = this.#chance.pick(QUEUES)
    return { ...newJob(probe, owner, {}), queue, ...make(this.#chance, `${this.#seed}-${this.#count}`) }
  }

  #transaction<T>(owner: string | null, work: (tx: DatabaseTransactionConnection) => Promise<T>): Promise<T> {
    return owner === null ? this.#database.system.transaction(work) : inOrganization(this.#database.app, owner, work)
  }

  /** Once, as a caller does who is told 503: whether it was done is known only where the answer came. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (isDatabaseAway(error)) this.counts.unanswered += 1
      else {
        const code = sqlState(error) ?? String(error)
        this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1)
      }
    }
  }
}
