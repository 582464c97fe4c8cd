import { setTimeout as pause } from 'node:timers/promises'
import { createActor } from 'xstate'
import type { ActorRefFrom } from 'xstate'
import { claimJobs, nextDueMs } from '#db/jobs.ts'
import type { ClaimedJob } from '#db/jobs.ts'
import { queueSupervisorMachine } from '#machines/queue-supervisor.ts'
import type { QueueSupervisorEvent } from '#machines/queue-supervisor.ts'
import { metrics } from '#metrics.ts'
import { Crew } from './crew.ts'
import type { Engine } from './engine.ts'
import type { Recorder } from './recorder.ts'
import { CrashCounter } from './restart-budget.ts'
import { awayPauseMs, isAwayForNow } from './service.ts'

/** At most this many jobs are claimed by one statement. */
const CLAIM_MAX = 500
/** A queue whose engine code crashes oftener than this is handed upwards. */
const JOB_CRASH_BUDGET = { crashes: 20, withinMs: 60_000 }
/** Slots that become free within this time are filled by one claim, unless half the window is free before. */
const SLOTS_GATHER_MS = 15
/** Never wait shorter than this for a job that is about to be due: it spares a claim that would come too early. */
const WAIT_MIN_MS = 5

export type SupervisorRef = ActorRefFrom<typeof queueSupervisorMachine>

/** One queue in one worker: its machine, its crew, and what the operator sees of both. */
export interface QueueSupervisor {
  queue: string
  ref: SupervisorRef
  crew: Crew
  tree(): unknown
  /** Ends the machine and its timers; the crew lives until its jobs have left. */
  stop(): void
}

/**
 * Starts the supervisor of a queue. The machine says when to claim, wait, recover and drain; this file says how.
 *
 * @param failed the supervisor has spent its budget and asks its own supervisor for help
 */
export function startQueueSupervisor(engine: Engine, recorder: Recorder, worker: number, queue: string, failed: (error: unknown) => void): QueueSupervisor {
  const { config, database, log } = engine
  const crashes = new CrashCounter(JOB_CRASH_BUDGET)
  let wait: NodeJS.Timeout | undefined
  let gather: NodeJS.Timeout | undefined
  let away = 0

  const crew = new Crew(engine, recorder, config.WORKER_CONCURRENCY, {
    slotFree: () => {
      if (!ref.getSnapshot().matches('full')) return
      if (crew.free >= crew.size / 2) return tell({ type: 'SLOT_FREE' })
      // A claim per finished job would be a commit per job.
      gather ??= setTimeout(() => {
        gather = undefined
        tell({ type: 'SLOT_FREE' })
      }, SLOTS_GATHER_MS)
    },
    jobCrashed: (job: ClaimedJob, error: unknown) => {
      log.error({ job_id: job.id, queue, err: error }, 'a job actor crashed; its job is found and lost by the census')
      metrics.errors.inc({ error_type: 'job_actor_crash', endpoint: '' })
      tell({ type: 'JOB_CRASHED', error })
    },
  })

  /** A claim that comes back after the supervisor was replaced has nobody to tell. */
  function tell(event: QueueSupervisorEvent): void {
    if (ref.getSnapshot().status === 'active') ref.send(event)
  }

  let claiming: Promise<void> = Promise.resolve()

  async function claim(): Promise<void> {
    const wanted = Math.min(crew.free, CLAIM_MAX)
    try {
      const jobs = wanted > 0 ? await claimJobs(database.system, { queue, worker, limit: wanted }) : []
      away = 0
      if (wanted > 0) metrics.claimBatch.observe(jobs.length)
      crew.take(jobs)
      // Claimed while the drain began: given back at once.
      if (ref.getSnapshot().matches('draining')) for (const job of jobs) crew.interrupt(job.id, 'RELEASE', 'the worker is draining')
      tell({ type: 'CLAIMED', wanted, received: jobs.length })
    } catch (error) {
      if (!isAwayForNow(error)) return failed(error)
      if (away === 0) log.warn({ queue, error: String(error) }, 'cannot claim: the database is away; waiting for it')
      away += 1
      tell({ type: 'DATABASE_AWAY' })
    }
  }

  /** Until the next job is due, at most a poll's length; a notification comes sooner. */
  async function waitForWork(): Promise<void> {
    const dueMs = await nextDueMs(database.system, queue).catch(() => null)
    if (!ref.getSnapshot().matches('waiting') || ref.getSnapshot().status !== 'active') return
    wait = setTimeout(() => tell({ type: 'POLL' }), Math.min(config.POLL_MS, Math.max(WAIT_MIN_MS, dueMs ?? config.POLL_MS)))
  }

  async function drainCrew(): Promise<void> {
    await claiming
    const empty = crew.empty()
    const deadline = new AbortController()
    await Promise.race([empty, pause(config.DRAIN_MS, undefined, { signal: deadline.signal }).catch(() => {})])
    deadline.abort()
    crew.interruptAll('RELEASE', 'the worker is draining')
    await empty
    tell({ type: 'DRAINED' })
  }

  const machine = queueSupervisorMachine.provide({
    actions: {
      claim: () => {
        claiming = claim()
      },
      waitForWork: () => void waitForWork(),
      stopWaiting: () => clearTimeout(wait),
      backOff: () => {
        retry = setTimeout(() => tell({ type: 'RETRY' }), awayPauseMs(away, engine.chance()))
      },
      drainCrew: () => void drainCrew(),
      countCrash: () => crashes.add(performance.now()),
      escalate: ({ event }) => failed('error' in event ? event.error : new Error('restart budget spent')),
    },
    guards: {
      hasNoSlot: () => crew.free === 0,
      budgetIsSpent: () => crashes.isSpent(performance.now()),
    },
  })
  let retry: NodeJS.Timeout | undefined
  const ref = createActor(machine, { input: { queue }, id: `queue:${queue}` })
  ref.start()
  return {
    queue,
    ref,
    crew,
    tree: () => ({
      id: `queue:${queue}`,
      state: ref.getSnapshot().value,
      window: crew.size,
      jobs: crew.count,
      crashes: crashes.total,
      crash_budget: JOB_CRASH_BUDGET,
      children: crew.tree(),
    }),
    stop: () => {
      for (const timer of [wait, gather, retry]) clearTimeout(timer)
      ref.stop()
    },
  }
}
