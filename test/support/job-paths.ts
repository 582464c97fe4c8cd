import type { JobEvent } from '#machines/job.ts'
import { nextJob } from '#machines/job-step.ts'
import type { JobStanding } from '#machines/job-step.ts'

const fault = { class: 'Error', message: 'as the path wants' }

/** One of each event, with data that lets a path go on at once: no delays. */
export const EVENTS: readonly JobEvent[] = [
  { type: 'CLAIM', worker: 1, waited_ms: 0 },
  { type: 'START' },
  { type: 'SUCCEED' },
  { type: 'FAIL', fault, permanent: false, backoff_ms: 0 },
  { type: 'FAIL', fault, permanent: true, backoff_ms: 0 },
  { type: 'TIMEOUT', fault, backoff_ms: 0 },
  { type: 'LOSE', fault, backoff_ms: 0 },
  { type: 'RELEASE' },
  { type: 'SNOOZE', delay_ms: 0 },
  { type: 'CANCEL' },
  { type: 'REQUEUE' },
]

/** A way through the machine: its name, its events, and where each of them leads. */
export interface JobPath {
  name: string
  events: readonly JobEvent[]
  standings: readonly JobStanding[]
}

export const MAX_ATTEMPTS = 2
const DEPTH = 7

const born: JobStanding = { state: 'queued', context: { attempt: 0, max_attempts: MAX_ATTEMPTS, delay_ms: 0, worker: null, last_error: null } }

/** Every path of the job machine, of up to DEPTH events, that cannot be prolonged within that depth. */
export function jobPaths(): JobPath[] {
  const paths: JobPath[] = []
  const walk = (events: JobEvent[], standings: JobStanding[]): void => {
    const here = standings.at(-1) ?? born
    const onward =
      events.length < DEPTH
        ? EVENTS.flatMap((event) => {
            const next = nextJob(here, event)
            return next ? [{ event, next }] : []
          })
        : []
    if (onward.length === 0) paths.push({ name: nameOf(events, here), events, standings })
    for (const { event, next } of onward) walk([...events, event], [...standings, next])
  }
  walk([], [])
  return paths
}

function nameOf(events: readonly JobEvent[], end: JobStanding): string {
  return `${events.map((event) => `${event.type === 'FAIL' && event.permanent ? 'permanently ' : ''}${event.type.toLowerCase()}`).join(', ')} reaches ${end.state}`
}
