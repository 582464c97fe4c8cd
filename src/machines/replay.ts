import { nextJob } from './job-step.ts'
import type { JobStanding } from './job-step.ts'
import type { JobEvent, JobEventName, JobFault, JobState } from './job.ts'

/** What a replay reads of a row of job_events. */
export interface LoggedEvent {
  seq: number
  event: JobEventName
  from_state: JobState | null
  to_state: JobState
  attempt: number
  worker: number | null
  details: unknown
}

/** The job after the event `seq`, by the machine alone. */
export interface Replayed {
  seq: number
  state: JobState
  attempt: number
  worker: number | null
  last_error: string | null
}

/** The log is no path of the machine: at `seq` it says one thing and the machine another. */
export class ReplayMismatch extends Error {
  override name = 'ReplayMismatch'
  readonly seq: number
  /** What the log says. */
  readonly logged: string
  /** What the machine says. */
  readonly machine: string

  constructor(seq: number, logged: string, machine: string) {
    super(`event ${seq}: the log says ${logged}; the machine says ${machine}`)
    this.seq = seq
    this.logged = logged
    this.machine = machine
  }
}

/**
 * Folds a job's log through the machine.
 *
 * @param upTo the last event to take; without it, all
 * @throws ReplayMismatch where the log is not a path of the machine, has a gap, or ends before `upTo`
 */
export function replay(events: readonly LoggedEvent[], limits: { max_attempts: number }, upTo?: number): Replayed {
  let last: Replayed | null = null
  for (const replayed of replaySteps(events, limits)) {
    last = replayed
    if (replayed.seq === upTo) return replayed
  }
  if (!last) throw new ReplayMismatch(1, 'nothing', 'a job begins with ENQUEUE')
  if (upTo !== undefined) throw new ReplayMismatch(upTo, 'nothing', `the log ends with event ${last.seq}`)
  return last
}

/** The same, step by step. */
export function* replaySteps(events: readonly LoggedEvent[], { max_attempts }: { max_attempts: number }): Generator<Replayed> {
  let job: JobStanding | null = null
  let seq = 0
  for (const row of events) {
    seq += 1
    if (row.seq !== seq)
      throw new ReplayMismatch(seq, `event ${row.seq} is the next`, `event ${seq} comes first${seq === 1 ? '; old days of the log are dropped' : ''}`)
    const before: JobStanding | null = job
    job = before ? move(before, row) : begin(row, max_attempts)
    holdTo(row, before, job)
    const { attempt, worker, last_error } = job.context
    yield { seq, state: job.state, attempt, worker, last_error }
  }
}

function begin(row: LoggedEvent, max_attempts: number): JobStanding {
  if (row.event !== 'ENQUEUE') throw new ReplayMismatch(row.seq, row.event, 'a job begins with ENQUEUE')
  return { state: 'queued', context: { attempt: 0, max_attempts, delay_ms: 0, worker: null, last_error: null } }
}

function move(job: JobStanding, row: LoggedEvent): JobStanding {
  const next = nextJob(job, eventOf(row))
  if (!next) throw new ReplayMismatch(row.seq, row.event, `${job.state} knows no ${row.event}`)
  return next
}

/** The event as the machine takes it. The log keeps no delays: whoever claimed found the job due, and a replay never waits. */
function eventOf(row: LoggedEvent): JobEvent {
  switch (row.event) {
    case 'CLAIM':
      if (row.worker === null) throw new ReplayMismatch(row.seq, 'CLAIM by nobody', 'a worker claims')
      return { type: 'CLAIM', worker: row.worker, waited_ms: Number.POSITIVE_INFINITY }
    case 'FAIL':
      return { type: 'FAIL', fault: faultOf(row), permanent: (row.details as { permanent?: unknown }).permanent === true, backoff_ms: 0 }
    case 'TIMEOUT':
    case 'LOSE':
      return { type: row.event, fault: faultOf(row), backoff_ms: 0 }
    case 'SNOOZE':
      return { type: 'SNOOZE', delay_ms: 0 }
    case 'ENQUEUE':
      throw new ReplayMismatch(row.seq, 'ENQUEUE', 'a job is enqueued once')
    default:
      return { type: row.event }
  }
}

function faultOf(row: LoggedEvent): JobFault {
  const error = (row.details as { error?: Partial<JobFault> } | null)?.error
  if (typeof error?.class !== 'string' || typeof error.message !== 'string') {
    throw new ReplayMismatch(row.seq, `${row.event} without its error`, 'a failure has an error of class and message')
  }
  return { class: error.class, message: error.message }
}

/** What the log says of states, attempt and worker must be what the machine says of them. */
function holdTo(row: LoggedEvent, before: JobStanding | null, after: JobStanding): void {
  // The log names who held the job when it happened, also where the event took it away.
  const holder = after.context.worker ?? before?.context.worker ?? null
  const logged = inWords(row.event, row.from_state, row.to_state, row.attempt, row.worker)
  const machine = inWords(row.event, before?.state ?? null, after.state, after.context.attempt, holder)
  if (logged !== machine) throw new ReplayMismatch(row.seq, logged, machine)
}

function inWords(event: string, from: string | null, to: string, attempt: number, worker: number | null): string {
  return `${event} from ${from ?? 'nothing'} to ${to}, attempt ${attempt}, ${worker === null ? 'no worker' : `worker ${worker}`}`
}

/** What a replay is compared with: the stored row. */
export interface StoredJob {
  version: number
  status: JobState
  attempt: number
  locked_by: number | null
  last_error: string | null
}

/** One thing in which row and log differ. */
export interface Difference {
  field: string
  row: string | number | null
  replay: string | number | null
}

/** In what a job's row differs from its replayed log; nothing where all is well. */
export function differencesOf(row: StoredJob, replayed: Replayed): Difference[] {
  const pairs: Difference[] = [
    { field: 'version', row: row.version, replay: replayed.seq },
    { field: 'status', row: row.status, replay: replayed.state },
    { field: 'attempt', row: row.attempt, replay: replayed.attempt },
    { field: 'locked_by', row: row.locked_by, replay: replayed.worker },
    { field: 'last_error', row: row.last_error, replay: replayed.last_error },
  ]
  return pairs.filter((pair) => pair.row !== pair.replay)
}
