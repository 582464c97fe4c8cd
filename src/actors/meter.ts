import { JOB_EVENTS, JOB_STATES } from '#machines/job.ts'
import type { JobEventName, JobState } from '#machines/job.ts'
import { beforeReading, metrics } from '#metrics.ts'

const eventIndex = new Map(JOB_EVENTS.map((event, index) => [event, index]))
const stateIndex = new Map(JOB_STATES.map((state, index) => [state, index]))

/**
 * The metrics of one job type. Its histograms are found once, and transitions are tallied in an array
 * until somebody reads the counters: finding a labelled counter costs more than deciding a no-op job's transitions.
 */
class Meter {
  readonly wait
  readonly run
  readonly #jobType: string
  readonly #transitions: number[] = Array.from({ length: JOB_EVENTS.length * JOB_STATES.length ** 2 }, () => 0)
  readonly #ends = new Map<string, number[]>()

  constructor(jobType: string) {
    this.#jobType = jobType
    this.wait = metrics.jobWait.of(jobType)
    this.run = metrics.jobRun.of(jobType)
  }

  countTransition(event: JobEventName, from: JobState, to: JobState): void {
    this.#transitions[(eventIndex.get(event)! * JOB_STATES.length + stateIndex.get(from)!) * JOB_STATES.length + stateIndex.get(to)!]! += 1
  }

  /** Counts an attempt that ended in this worker, by the state that it led to. */
  countEnd(workerName: string, state: JobState): void {
    let ends = this.#ends.get(workerName)
    if (!ends) this.#ends.set(workerName, (ends = JOB_STATES.map(() => 0)))
    ends[stateIndex.get(state)!]! += 1
  }

  /** Adds what was tallied to the counters. */
  drain(): void {
    const states = JOB_STATES.length
    for (const [edge, count] of this.#transitions.entries()) {
      if (count === 0) continue
      const event = JOB_EVENTS[Math.floor(edge / states ** 2)]!
      metrics.transitions.inc({ job_type: this.#jobType, event, from: JOB_STATES[Math.floor(edge / states) % states]!, to: JOB_STATES[edge % states]! }, count)
      this.#transitions[edge] = 0
    }
    for (const [worker_name, ends] of this.#ends) {
      for (const [state, count] of ends.entries()) {
        if (count > 0) metrics.workerJobs.inc({ worker_name, job_type: this.#jobType, status: JOB_STATES[state]! }, count)
        ends[state] = 0
      }
    }
  }
}

const meters = new Map<string, Meter>()
beforeReading(() => {
  for (const meter of meters.values()) meter.drain()
})

/** The meter of a job type. Types come from the registry, so there are few; an unknown one shares one meter. */
export function meterOf(jobType: string): Meter {
  let meter = meters.get(jobType)
  if (!meter) meters.set(jobType, (meter = new Meter(meters.size < METERS_MAX ? jobType : 'other')))
  return meter
}

const METERS_MAX = 200
