import type { ClaimedJob } from '#db/job-claims.ts'
import type { Engine } from './engine.ts'
import { JobActor } from './job.ts'
import type { JobHost } from './job.ts'
import { Leases } from './leases.ts'
import type { Interruption } from './run.ts'
import type { Recorder } from './recorder.ts'
import { Taking } from './taking.ts'

/** Rows of the actor tree that one queue shows at most. */
const TREE_JOBS_MAX = 50
/**
 * Jobs are claimed ahead as far as they would be begun within this time: quick jobs are claimed by hundreds, slow ones
 * not before there is a slot for them, so that another worker may have them.
 */
const AHEAD_MS = 200
const WINDOW_MAX = 6_000
/** A leased job that has not begun after this time is recorded as claimed. */
const LEASED_MS = 100
/** Jobs that wait for a slot are looked through this often. */
const REVIEW_MS = 1_000
/** More than so many windows of jobs are too many to hold: the mean has changed since they were claimed. */
const WINDOWS_MAX = 2
/** Weight of the newest run in the mean run time. */
const NEWEST = 0.05

/** What the crew tells its supervisor. */
export interface CrewEvents {
  slotFree(): void
  /** A job of its own will be due again in so many milliseconds. */
  putOff(ms: number): void
  /** The job had moved on, as far as this worker can tell. */
  leaseLost(job: ClaimedJob): void
  /** What came of a lease is not known here any more. */
  leaseUnknown(): void
  /** The engine's own fault, not the handler's. */
  jobCrashed(job: ClaimedJob, error: unknown): void
}

/** The job actors of one queue in this worker: those that run, WORKER_CONCURRENCY at most, and those that wait for a slot. */
export class Crew implements JobHost {
  readonly #engine: Engine
  readonly #recorder: Recorder
  readonly #worker: number
  readonly #events: CrewEvents
  /** The leases under which its jobs came. */
  readonly leases = new Leases()
  readonly #actors = new Map<number, JobActor>()
  #waiting: JobActor[] = []
  /** How many at the head of #waiting have begun already. */
  #begun = 0
  #isFilling = false
  #willClaim = false
  #willReview = false
  #running = 0
  /** Runs that have ended. */
  #ended = 0
  /** Mean milliseconds of a run; a new crew takes its jobs for slow ones. */
  #meanRunMs = AHEAD_MS
  #whenEmpty: (() => void)[] = []

  constructor(engine: Engine, recorder: Recorder, worker: number, events: CrewEvents) {
    this.#engine = engine
    this.#worker = worker
    this.#recorder = recorder
    this.#events = events
  }

  /** How many jobs the crew wants to hold. */
  get window(): number {
    const slots = this.#engine.config.WORKER_CONCURRENCY
    return Math.round(Math.min(WINDOW_MAX, Math.max(slots, (slots * AHEAD_MS) / this.#meanRunMs)))
  }

  get free(): number {
    return Math.max(0, this.window - this.#actors.size)
  }

  get count(): number {
    return this.#actors.size
  }

  /** Its jobs of which the table must say that they are this worker's. */
  get claimedIds(): number[] {
    return [...this.#actors.values()].filter((actor) => actor.claimed === 'recorded').map((actor) => actor.job.id)
  }

  holds(jobId: number): boolean {
    return this.#actors.has(jobId)
  }

  /** The table gives the job to somebody else. One whose CLAIM is not recorded yet is nobody's by the table. */
  lose(jobId: number, message: string): void {
    const actor = this.#actors.get(jobId)
    if (actor?.claimed === 'recorded') actor.interrupt('LEASE_LOST', message)
  }

  /** @param lease the serial of the lease under which they came; null where their CLAIM was recorded at once */
  take(jobs: readonly ClaimedJob[], lease: number | null): void {
    const taking = new Taking(lease, this.#worker)
    for (const job of jobs) {
      // Given to us although we have it: a fall of the server undid our first claim.
      this.interrupt(job.id, 'LEASE_LOST', 'its claim was undone, and made again')
      const actor = new JobActor(job, taking, this.#worker, this.#engine, this.#recorder, this)
      this.#actors.set(job.id, actor)
      this.#waiting.push(actor)
    }
    this.#fillSlots()
    if (this.#waiting.length === 0) return
    this.#reviewLater()
    if (lease === null || this.#willClaim) return
    this.#willClaim = true
    setTimeout(() => this.#claimWaiting(), LEASED_MS)
  }

  #claimWaiting(): void {
    this.#willClaim = false
    for (const actor of this.#waiting.slice(this.#begun)) actor.claim()
  }

  #reviewLater(): void {
    if (this.#willReview) return
    this.#willReview = true
    const ended = this.#ended
    setTimeout(() => this.#review(ended), REVIEW_MS).unref()
  }

  /**
   * Gives back what waits behind runs that are slower than those by which it was claimed: no run has ended for a whole
   * review, or far more is held than would be claimed by now. Another worker may be free, and another job more urgent.
   */
  #review(endedBefore: number): void {
    this.#willReview = false
    if (this.#waiting.length === 0) return
    const isStuck = this.#ended === endedBefore
    if (isStuck) this.#meanRunMs = Math.max(this.#meanRunMs, AHEAD_MS)
    if (isStuck || this.#actors.size > WINDOWS_MAX * this.window) this.releaseWaiting('the runs before it take long')
    else this.#reviewLater()
  }

  /** @returns whether the job is here */
  interrupt(jobId: number, kind: Interruption['kind'], message: string): boolean {
    const actor = this.#actors.get(jobId)
    actor?.interrupt(kind, message)
    return actor !== undefined
  }

  interruptAll(kind: Interruption['kind'], message: string): void {
    for (const actor of this.#actors.values()) actor.interrupt(kind, message)
  }

  /** Interrupts those that have not begun; they need no slot to end. */
  releaseWaiting(message: string): void {
    const waiting = this.#waiting.slice(this.#begun)
    this.#waiting = []
    this.#begun = 0
    for (const actor of waiting) {
      actor.interrupt('RELEASE', message)
      this.#begin(actor)
    }
  }

  /** Resolves when the last job has left. */
  empty(): Promise<void> {
    return this.#actors.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenEmpty.push(resolve))
  }

  /** The jobs as the actor tree shows them. */
  tree(): { id: string; state: string; since: string; job_type: string }[] {
    return [...this.#actors.values()].slice(0, TREE_JOBS_MAX).map((actor) => ({
      id: `job:${actor.job.id}`,
      state: actor.state,
      since: new Date(actor.since).toISOString(),
      job_type: actor.job.job_type,
    }))
  }

  slotDone(actor: JobActor): void {
    this.#running -= 1
    // One that was interrupted before it began says nothing of how long runs take.
    if (actor.runMs > 0) {
      this.#ended += 1
      this.#meanRunMs += NEWEST * (Math.max(0.01, actor.runMs) - this.#meanRunMs)
    }
    this.#fillSlots()
  }

  left(actor: JobActor, recorded: boolean): void {
    if (actor.lease !== null && actor.claimed !== 'unknown') this.leases.jobLeft(actor.lease)
    else if (actor.lease !== null) this.#abandon(actor.lease)
    if (!recorded) this.#events.leaseLost(actor.job)
    else if (actor.putOffMs > 0) this.#events.putOff(actor.putOffMs)
    this.#dismiss(actor)
  }

  crashed(actor: JobActor, error: unknown): void {
    if (actor.lease !== null) this.#abandon(actor.lease)
    this.#events.jobCrashed(actor.job, error)
    this.#dismiss(actor)
  }

  /** A job has left before anybody knew whether its CLAIM was recorded: the census finds out. */
  #abandon(lease: number): void {
    this.leases.abandon(lease)
    this.#events.leaseUnknown()
  }

  #fillSlots(): void {
    // A run that was interrupted before it began ends at once and asks for the next: the loop that runs takes it.
    if (this.#isFilling) return
    this.#isFilling = true
    const slots = this.#engine.config.WORKER_CONCURRENCY
    while (this.#running < slots && this.#begun < this.#waiting.length) this.#begin(this.#waiting[this.#begun++]!)
    this.#isFilling = false
    if (this.#begun < this.#waiting.length) return
    this.#waiting = []
    this.#begun = 0
  }

  #begin(actor: JobActor): void {
    this.#running += 1
    actor.begin()
  }

  #dismiss(actor: JobActor): void {
    if (this.#actors.get(actor.job.id) === actor) this.#actors.delete(actor.job.id)
    this.#events.slotFree()
    if (this.#actors.size === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve()
  }
}
