import type { Transition } from '#db/job-records.ts'
import type { JobEvent, JobEventName } from '#machines/job.ts'
import { nextJob } from '#machines/job-step.ts'
import type { JobStanding } from '#machines/job-step.ts'

/**
 * Where a job stands, and the transitions that led there and are not recorded yet. Jobs that came alike share their
 * course, and a step that carries nothing of its own is decided once for all that take it in the same millisecond:
 * standings and transitions of each job's own were a kilobyte, copied by the collector while the job was held.
 */
export class Course {
  readonly standing: JobStanding
  readonly transitions: readonly Transition[]
  #common: Course | null = null
  #recorded: Course | null = null

  constructor(standing: JobStanding, transitions: readonly Transition[] = []) {
    this.standing = standing
    this.transitions = transitions
  }

  /**
   * The course after `event`, or null where the machine has no such transition.
   *
   * @param worker who takes the step, or has it taken
   * @param decidedAt whole milliseconds of this process's monotonic clock
   */
  step(event: JobEvent, worker: number, decidedAt: number, details?: unknown): Course | null {
    const isCommon = details === undefined && COMMON.has(event.type)
    if (isCommon && this.#common?.isBy(event.type, worker, decidedAt)) return this.#common
    const standing = nextJob(this.standing, event)
    if (!standing) return null
    const { attempt } = standing.context
    const transition = { event: event.type, from: this.standing.state, to: standing.state, attempt, worker, decided_at: decidedAt, details }
    const next = new Course(standing, [...this.transitions, transition])
    if (isCommon) this.#common = next
    return next
  }

  /** The same standing, with its transitions on record. */
  recorded(): Course {
    return (this.#recorded ??= this.transitions.length === 0 ? this : new Course(this.standing))
  }

  isBy(event: JobEventName, worker: number, decidedAt: number): boolean {
    const last = this.transitions.at(-1)!
    return last.decided_at === decidedAt && last.event === event && last.worker === worker
  }
}

/** Steps that carry nothing but the worker. */
const COMMON: ReadonlySet<JobEventName> = new Set(['CLAIM', 'START', 'SUCCEED'])
