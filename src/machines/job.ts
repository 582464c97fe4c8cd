import { assign, setup } from 'xstate'

/**
 * The life of a job, as its row in job_queue knows it. Times are lengths, not instants: the database's clock turns
 * them into columns, so that the same path gives the same result in a test, in a worker and in PostgreSQL.
 */
export interface JobContext {
  /** How many attempts have begun and count. */
  attempt: number
  max_attempts: number
  /** Milliseconds from the last transition until the job may be claimed. */
  delay_ms: number
  /** The worker that holds the job; null unless claimed or running. */
  worker: number | null
  /** Why the last attempt failed: "Class: message". */
  last_error: string | null
}

/** What went wrong in an attempt, in words that survive a JSON column. */
export interface JobFault {
  class: string
  message: string
  stack?: string | undefined
}

export type JobEvent =
  | { type: 'CLAIM'; worker: number; waited_ms: number }
  | { type: 'START' }
  | { type: 'SUCCEED' }
  | { type: 'FAIL'; fault: JobFault; permanent: boolean; backoff_ms: number }
  | { type: 'TIMEOUT'; fault: JobFault; backoff_ms: number }
  | { type: 'LOSE'; fault: JobFault; backoff_ms: number }
  | { type: 'RELEASE' }
  | { type: 'SNOOZE'; delay_ms: number }
  | { type: 'CANCEL' }
  | { type: 'REQUEUE' }

type Failure = Extract<JobEvent, { fault: JobFault }>

const noHolder = { worker: null }
/** Cut to length, with no half of a character at the cut: PostgreSQL has none to store. */
const words = (fault: JobFault): string => `${fault.class}: ${fault.message}`.slice(0, 2_000).toWellFormed()

/** What each action of the machine changes. Pure; the recording statement writes the outcome. */
export const jobActions = {
  takeLease: (job: JobContext, event: JobEvent): Partial<JobContext> => ({
    attempt: job.attempt + 1,
    worker: (event as Extract<JobEvent, { type: 'CLAIM' }>).worker,
    delay_ms: 0,
  }),
  letGo: (): Partial<JobContext> => noHolder,
  giveBackAttempt: (job: JobContext): Partial<JobContext> => ({ attempt: job.attempt - 1, worker: null, delay_ms: 0 }),
  sleep: (job: JobContext, event: JobEvent): Partial<JobContext> => ({
    attempt: job.attempt - 1,
    worker: null,
    delay_ms: (event as Extract<JobEvent, { type: 'SNOOZE' }>).delay_ms,
  }),
  backOff: (_job: JobContext, event: JobEvent): Partial<JobContext> => ({
    worker: null,
    delay_ms: (event as Failure).backoff_ms,
    last_error: words((event as Failure).fault),
  }),
  bury: (_job: JobContext, event: JobEvent): Partial<JobContext> => ({ worker: null, last_error: words((event as Failure).fault) }),
  forget: (): Partial<JobContext> => ({ worker: null, last_error: null }),
  beginAgain: (): Partial<JobContext> => ({ attempt: 0, delay_ms: 0 }),
}

/** What each guard of the machine asks. */
export const jobGuards = {
  isDue: (job: JobContext, event: JobEvent): boolean => (event as Extract<JobEvent, { type: 'CLAIM' }>).waited_ms >= job.delay_ms,
  mayRetry: (job: JobContext, event: JobEvent): boolean => job.attempt < job.max_attempts && !(event.type === 'FAIL' && event.permanent),
}

type JobAction = keyof typeof jobActions
const assignOf = (name: JobAction) => assign<JobContext, JobEvent, undefined, JobEvent, never>(({ context, event }) => jobActions[name](context, event))

/**
 * The job machine: the one definition of what a job may do. The database's legal edges, the compiled table of the hot
 * path, the drawing in the console and the path tests are all made from it. ENQUEUE creates a job in `queued`.
 */
export const jobMachine = setup({
  types: { context: {} as JobContext, events: {} as JobEvent, input: {} as { max_attempts: number; delay_ms?: number } },
  guards: {
    isDue: ({ context, event }) => jobGuards.isDue(context, event),
    mayRetry: ({ context, event }) => jobGuards.mayRetry(context, event),
  },
  actions: {
    takeLease: assignOf('takeLease'),
    letGo: assignOf('letGo'),
    giveBackAttempt: assignOf('giveBackAttempt'),
    sleep: assignOf('sleep'),
    backOff: assignOf('backOff'),
    bury: assignOf('bury'),
    forget: assignOf('forget'),
    beginAgain: assignOf('beginAgain'),
  },
}).createMachine({
  id: 'job',
  context: ({ input }) => ({
    attempt: 0,
    max_attempts: input?.max_attempts ?? 1,
    delay_ms: input?.delay_ms ?? 0,
    worker: null,
    last_error: null,
  }),
  initial: 'queued',
  states: {
    queued: {
      on: {
        CLAIM: { guard: 'isDue', target: 'claimed', actions: 'takeLease' },
        CANCEL: { target: 'cancelled' },
      },
    },
    claimed: {
      on: {
        START: { target: 'running' },
        RELEASE: { target: 'queued', actions: 'giveBackAttempt' },
        LOSE: [
          { guard: 'mayRetry', target: 'retried', actions: 'backOff' },
          { target: 'failed', actions: 'bury' },
        ],
        CANCEL: { target: 'cancelled', actions: 'letGo' },
      },
    },
    running: {
      on: {
        SUCCEED: { target: 'done', actions: 'forget' },
        FAIL: [
          { guard: 'mayRetry', target: 'retried', actions: 'backOff' },
          { target: 'failed', actions: 'bury' },
        ],
        TIMEOUT: [
          { guard: 'mayRetry', target: 'retried', actions: 'backOff' },
          { target: 'failed', actions: 'bury' },
        ],
        LOSE: [
          { guard: 'mayRetry', target: 'retried', actions: 'backOff' },
          { target: 'failed', actions: 'bury' },
        ],
        SNOOZE: { target: 'queued', actions: 'sleep' },
        RELEASE: { target: 'queued', actions: 'giveBackAttempt' },
        CANCEL: { target: 'cancelled', actions: 'letGo' },
      },
    },
    retried: {
      on: {
        CLAIM: { guard: 'isDue', target: 'claimed', actions: 'takeLease' },
        CANCEL: { target: 'cancelled' },
      },
    },
    done: { on: { REQUEUE: { target: 'queued', actions: 'beginAgain' } } },
    failed: { on: { REQUEUE: { target: 'queued', actions: 'beginAgain' } } },
    cancelled: { on: { REQUEUE: { target: 'queued', actions: 'beginAgain' } } },
  },
})

export const JOB_STATES = ['queued', 'claimed', 'running', 'retried', 'done', 'failed', 'cancelled'] as const
export const JOB_EVENTS = ['ENQUEUE', 'CLAIM', 'START', 'SUCCEED', 'FAIL', 'TIMEOUT', 'LOSE', 'RELEASE', 'SNOOZE', 'CANCEL', 'REQUEUE'] as const
export type JobState = (typeof JOB_STATES)[number]
export type JobEventName = (typeof JOB_EVENTS)[number]
