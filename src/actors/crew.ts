import type { ClaimedJob } from '#db/jobs.ts'
import type { Engine } from './engine.ts'
import { JobActor } from './job.ts'
import type { Interruption } from './job.ts'
import type { Recorder } from './recorder.ts'

/** Rows of the actor tree that one queue shows at most. */
const TREE_JOBS_MAX = 50

/** What the crew tells its supervisor. */
export interface CrewEvents {
  slotFree(): void
  /** The engine's own fault, not the handler's. */
  jobCrashed(job: ClaimedJob, error: unknown): void
}

/** The job actors of one queue in this worker: the claimed window, at most `size` at a time. */
export class Crew {
  readonly #engine: Engine
  readonly #recorder: Recorder
  readonly #events: CrewEvents
  readonly #actors = new Map<number, JobActor>()
  readonly size: number
  #whenEmpty: (() => void)[] = []

  constructor(engine: Engine, recorder: Recorder, size: number, events: CrewEvents) {
    this.#engine = engine
    this.#recorder = recorder
    this.size = size
    this.#events = events
  }

  get free(): number {
    return this.size - this.#actors.size
  }

  holds(jobId: number): boolean {
    return this.#actors.has(jobId)
  }

  take(jobs: readonly ClaimedJob[]): void {
    for (const job of jobs) {
      const actor = new JobActor(job, this.#engine, this.#recorder)
      this.#actors.set(job.id, actor)
      void actor
        .live()
        .catch((error: unknown) => this.#events.jobCrashed(job, error))
        .finally(() => this.#leave(job.id))
    }
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

  get count(): number {
    return this.#actors.size
  }

  #leave(jobId: number): void {
    this.#actors.delete(jobId)
    this.#events.slotFree()
    if (this.#actors.size > 0) return
    const waiting = this.#whenEmpty
    this.#whenEmpty = []
    for (const resolve of waiting) resolve()
  }
}
