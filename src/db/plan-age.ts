import type { Interceptor } from 'slonik'

/**
 * Plans grow old: by one from when a table was empty, it is read as a whole, and nobody tells the connection when it has
 * grown. So a pool has a connection forget them once a second while it works (`workMs`: for so long connections were in use),
 * and seldom while it is idle: there nearly every statement would be planned anew, which takes a job that has just come a
 * millisecond. A plan that has become slow is work, and soon forgotten.
 */
export const PLANS_KEPT = { leastMs: 1_000, workMs: 300, mostMs: 15_000 }

/** How old a pool's plans are. Times are of one monotonic clock, in milliseconds. */
export class PlanAge {
  #since: number
  #workMs = 0

  constructor(now: number) {
    this.#since = now
  }

  worked(ms: number): void {
    this.#workMs += ms
  }

  /** Whether plans are to be forgotten; counts anew where they are. */
  isOver(now: number): boolean {
    const ms = now - this.#since
    if (ms < PLANS_KEPT.leastMs || (this.#workMs < PLANS_KEPT.workMs && ms < PLANS_KEPT.mostMs)) return false
    this.#since = now
    this.#workMs = 0
    return true
  }
}

/** Counts as work for how long connections are in use. */
export function countWork(age: PlanAge): Interceptor {
  const begun = new WeakMap<object, number>()
  return {
    name: 'count-work',
    afterPoolConnection: (context) => {
      begun.set(context, performance.now())
      return null
    },
    beforePoolConnectionRelease: (context) => {
      age.worked(performance.now() - (begun.get(context) ?? performance.now()))
      return null
    },
  }
}
