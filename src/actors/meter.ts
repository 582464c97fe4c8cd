import type { JobEventName, JobState } from '#machines/job.ts'
import { metrics } from '#metrics.ts'

/**
 * The metrics of one job type with their labels resolved once: looking labels up costs more than a no-op job's
 * transitions do.
 */
class Meter {
  readonly wait
  readonly run
  readonly #transitions = new Map<string, { inc(): void }>()
  readonly #jobType: string

  constructor(jobType: string) {
    this.#jobType = jobType
    this.wait = metrics.jobWait.labels({ job_type: jobType })
    this.run = metrics.jobRun.labels({ job_type: jobType })
  }

  countTransition(event: JobEventName, from: JobState, to: JobState): void {
    const edge = `${event} ${from} ${to}`
    let counter = this.#transitions.get(edge)
    if (!counter) this.#transitions.set(edge, (counter = metrics.transitions.labels({ job_type: this.#jobType, event, from, to })))
    counter.inc()
  }
}

const meters = new Map<string, Meter>()

/** The meter of a job type. Types come from the registry, so there are few; an unknown one shares one meter. */
export function meterOf(jobType: string): Meter {
  let meter = meters.get(jobType)
  if (!meter) meters.set(jobType, (meter = new Meter(meters.size < METERS_MAX ? jobType : 'other')))
  return meter
}

const METERS_MAX = 200
