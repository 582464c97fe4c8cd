import type { ClaimedJob } from '#db/job-claims.ts'
import type { JobStanding } from '#machines/job-step.ts'
import { Course } from './course.ts'

/** What jobs that were taken together have in common. */
export class Taking {
  /** The serial of their lease; null where their CLAIM was recorded at once. */
  readonly lease: number | null
  /** On the wall clock. */
  readonly since = Date.now()
  /** On this process's monotonic clock. */
  readonly at = wholeMs()
  readonly #worker: number
  #last: { job: ClaimedJob; course: Course } | null = null

  constructor(lease: number | null, worker: number) {
    this.lease = lease
    this.#worker = worker
  }

  /** Where the job's course begins: in one place for neighbours that are alike. */
  courseOf(job: ClaimedJob): Course {
    if (this.#last === null || !isAlike(job, this.#last.job)) this.#last = { job, course: new Course(this.#standingOf(job)) }
    return this.#last.course
  }

  #standingOf({ was, attempt, max_attempts, last_error }: ClaimedJob): JobStanding {
    const worker = this.lease === null ? this.#worker : null
    return { state: this.lease === null ? 'claimed' : was, context: { attempt, max_attempts, delay_ms: 0, worker, last_error } }
  }
}

function isAlike(job: ClaimedJob, other: ClaimedJob): boolean {
  return job.was === other.was && job.attempt === other.attempt && job.max_attempts === other.max_attempts && job.last_error === other.last_error
}

/** The monotonic clock in whole milliseconds, rounded up: what comes after CLAIM is never told as before it. */
export const wholeMs = (): number => Math.ceil(performance.now())
