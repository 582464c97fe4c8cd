import { setTimeout as pause } from 'node:timers/promises'
import { createActor } from 'xstate'
import type { ActorRefFrom } from 'xstate'
import { allowedBy, isLimited, lockKeyLimits, lockQueueLimits, nextTokenMs, readQueueLimits, slotName, takeUpLimits } from '#db/job-limits.ts'
import type { QueueLimits } from '#db/job-limits.ts'
import { claimJobs, leaseJobs, readyLanes } from '#db/job-claims.ts'
import type { ClaimedJob, ClaimedRow, LaneQuota } from '#db/job-claims.ts'
import { traceparentsOf } from '#db/job-traces.ts'
import { chartOf } from '#machines/chart.ts'
import { queueSupervisorMachine } from '#machines/queue-supervisor.ts'
import type { QueueSupervisorEvent } from '#machines/queue-supervisor.ts'
import { metrics } from '#metrics.ts'
import { tracing } from '#tracing.ts'
import { Crew } from './crew.ts'
import type { Engine } from './engine.ts'
import { Lanes } from './lanes.ts'
import { meterOf } from './meter.ts'
import type { MoveLog } from './move-log.ts'
import type { Recorder } from './recorder.ts'
import { CrashCounter } from './restart-budget.ts'
import { awayPauseMs, isAwayForNow } from './service.ts'

/** At most this many jobs are claimed by one statement; with 1,000 a drain was a tenth slower, with 3,000 no faster. */
const CLAIM_MAX = 2_000
/** Lanes (organisation and priority) that a supervisor keeps in mind; those beyond get their turn when others are dry. */
const LANES_MAX = 1_000
/** A queue whose engine code crashes oftener than this is handed upwards. */
const JOB_CRASH_BUDGET = { crashes: 20, withinMs: 60_000 }
/** Slots that become free within this time are filled by one claim, unless half the window is free before. */
const SLOTS_GATHER_MS = 15
/** Never wait shorter than this for a job that is about to be due: it spares a claim that would come too early. */
const WAIT_MIN_MS = 5

/** What a claim brought, and the lease under which it came; null where it was recorded at once. */
interface Claimed {
  jobs: readonly ClaimedRow[]
  lease: number | null
}
const NONE: Claimed = { jobs: [], lease: null }

const CHART = chartOf(queueSupervisorMachine)

export type SupervisorRef = ActorRefFrom<typeof queueSupervisorMachine>

/** What a supervisor does not know of its claims: since when, and whether the table was asked since then. */
export interface Doubt {
  since: number
  asked: boolean
}

/** One queue in one worker: its machine, its crew, and what the operator sees of both. */
export interface QueueSupervisor {
  queue: string
  ref: SupervisorRef
  crew: Crew
  /** Jobs that may be ours in the table while nobody here hosts them; the census looks after them. */
  suspects: Set<number>
  /** The answer of a claim was lost: the census must ask the table for all that is ours. */
  doubt: Doubt | null
  tree(): unknown
  /** Ends the machine and its timers; the crew lives until its jobs have left. */
  stop(): void
}

/**
 * Starts the supervisor of a queue. The machine says when to claim, wait, recover and drain; this class says how.
 *
 * @param failed the supervisor has spent its budget, or met a fault of the engine's own, and asks its supervisor for help
 */
export function startQueueSupervisor(
  engine: Engine,
  recorder: Recorder,
  moves: MoveLog,
  worker: number,
  queue: string,
  failed: (error: unknown) => void,
): QueueSupervisor {
  return new SupervisorHost(engine, recorder, moves, worker, queue, failed)
}

class SupervisorHost implements QueueSupervisor {
  readonly queue: string
  readonly ref: SupervisorRef
  readonly crew: Crew
  readonly suspects = new Set<number>()
  doubt: Doubt | null = null
  readonly #engine: Engine
  readonly #worker: number
  readonly #failed: (error: unknown) => void
  readonly #lanes = new Lanes()
  readonly #crashes = new CrashCounter(JOB_CRASH_BUDGET)
  #claiming: Promise<void> = Promise.resolve()
  #timers: { wait?: NodeJS.Timeout; gather?: NodeJS.Timeout; retry?: NodeJS.Timeout } = {}
  #away = 0
  #limits: QueueLimits | null = null
  /** The last claim was made by a guess: whether other lanes have work is not known. */
  #owesLook = false

  constructor(engine: Engine, recorder: Recorder, moves: MoveLog, worker: number, queue: string, failed: (error: unknown) => void) {
    this.#engine = engine
    this.#worker = worker
    this.queue = queue
    this.#failed = failed
    this.crew = new Crew(engine, recorder, worker, {
      slotFree: () => this.#slotFree(),
      putOff: (ms) => this.#putOff(ms),
      leaseLost: (job) => this.suspects.add(job.id),
      leaseUnknown: () => (this.doubt = { since: performance.now(), asked: false }),
      jobCrashed: (job, error) => this.#jobCrashed(job, error),
    })
    const machine = queueSupervisorMachine.provide({
      actions: {
        claim: ({ context, event }) => {
          this.#claiming = this.#claim(context.woken || !['CLAIMED', 'SLOT_FREE'].includes(event.type))
        },
        waitForWork: () => this.#waitForWork(),
        stopWaiting: () => clearTimeout(this.#timers.wait),
        backOff: () => {
          this.#timers.retry = setTimeout(() => this.#tell({ type: 'RETRY' }), awayPauseMs(this.#away, engine.chance()))
        },
        drainCrew: () => void this.#drainCrew(),
        countCrash: () => this.#crashes.add(performance.now()),
        escalate: ({ event }) => failed('error' in event ? event.error : new Error('restart budget spent')),
      },
      guards: {
        hasNoSlot: () => this.crew.free === 0,
        mayHaveMore: ({ context }) => context.woken || this.#owesLook || this.#lanes.hasDue(performance.now()),
        budgetIsSpent: () => this.#crashes.isSpent(performance.now()),
      },
    })
    this.ref = createActor(machine, { input: { queue }, id: `queue:${queue}`, inspect: moves.of(CHART, queue) })
    this.ref.start()
  }

  tree(): unknown {
    return {
      id: `queue:${this.queue}`,
      state: this.ref.getSnapshot().value,
      window: this.crew.window,
      jobs: this.crew.count,
      crashes: this.#crashes.total,
      crash_budget: JOB_CRASH_BUDGET,
      children: this.crew.tree(),
    }
  }

  stop(): void {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer)
    this.ref.stop()
  }

  /** A claim that comes back after the supervisor was replaced has nobody to tell. */
  #tell(event: QueueSupervisorEvent): void {
    if (this.ref.getSnapshot().status === 'active') this.ref.send(event)
  }

  async #claim(renew: boolean): Promise<void> {
    // The machine enters its first state before the constructor has ended.
    await Promise.resolve()
    const wanted = Math.min(this.crew.free, CLAIM_MAX)
    try {
      const { jobs, lease } = wanted > 0 ? await this.#claimFromLanes(wanted, renew) : NONE
      this.#away = 0
      if (tracing() && jobs.length > 0) await this.#readTraces(jobs)
      this.crew.take(jobs, lease)
      // Claimed while the drain began: given back at once.
      if (this.ref.getSnapshot().matches('draining')) for (const job of jobs) this.crew.interrupt(job.id, 'RELEASE', 'the worker is draining')
      this.#tell({ type: 'CLAIMED', wanted, received: jobs.length })
    } catch (error) {
      if (!isAwayForNow(error)) return this.#failed(error)
      if (this.#away === 0) this.#engine.log.warn({ queue: this.queue, error: String(error) }, 'cannot claim: the database is away; waiting for it')
      this.#away += 1
      this.doubt = { since: performance.now(), asked: false }
      this.#tell({ type: 'DATABASE_AWAY' })
    }
  }

  /** A job whose trace cannot be read is run without. */
  async #readTraces(jobs: readonly ClaimedJob[]): Promise<void> {
    const ids = jobs.map((job) => job.id)
    try {
      const traceparents = await traceparentsOf(this.#engine.database.system, ids)
      for (const job of jobs) job.traceparent = traceparents.get(job.id)
    } catch (error) {
      this.#engine.log.warn({ queue: this.queue, err: error }, 'the traces of claimed jobs could not be read')
    }
  }

  async #claimFromLanes(wanted: number, renew: boolean): Promise<Claimed> {
    const now = performance.now()
    if (renew || this.#owesLook || this.#lanes.isStale(now) || !this.#lanes.hasDue(now)) {
      const guessed = await this.#lookAround(wanted)
      if (guessed.jobs.length > 0) return guessed
    }
    const quotas = this.#lanes.plan(wanted, performance.now())
    if (quotas.length === 0) return NONE
    const limited = isLimited(this.#limits) || quotas.some((quota) => quota.limit_key !== '')
    return limited ? { jobs: await this.#claimLimited(quotas), lease: null } : this.#leaseLanes(quotas)
  }

  /**
   * Renews what is known of queue and lanes. Where nothing was known to wait, the lanes of late are claimed from first: a
   * job that has just come starts a round trip earlier, and what else may have come is looked for at once after it.
   */
  async #lookAround(wanted: number): Promise<Claimed> {
    const isKnown = this.#limits !== null && !this.#limits.paused && !isLimited(this.#limits) && !this.#lanes.hasDue(performance.now())
    const guess = isKnown && !this.#owesLook ? this.#lanes.recall(wanted) : []
    const guessed = guess.length > 0 ? await this.#leaseLanes(guess) : NONE
    this.#owesLook = guessed.jobs.length > 0
    if (this.#owesLook) return guessed
    const { system } = this.#engine.database
    const askedAt = performance.now()
    const [limits, lanes] = await Promise.all([readQueueLimits(system, this.queue), readyLanes(system, this.queue, LANES_MAX)])
    if (limits?.paused) this.#lanes.close(performance.now() + this.#engine.config.POLL_MS)
    else if (this.#limits?.paused) this.#lanes.close(0)
    this.#limits = limits
    this.#lanes.renew(lanes, performance.now(), askedAt)
    return NONE
  }

  async #leaseLanes(lanes: readonly LaneQuota[]): Promise<Claimed> {
    const { leases } = this.crew
    const [serial, ended] = [leases.begin(), leases.takeEnded()]
    try {
      const jobs = await leaseJobs(this.#engine.database.system, { queue: this.queue, worker: this.#worker, lanes, serial, ended })
      leases.hold(serial, jobs.length)
      this.#lanes.learn(lanes, jobs)
      countWaits(jobs)
      return { jobs, lease: serial }
    } catch (error) {
      leases.abandon(serial)
      leases.giveBack(ended)
      throw error
    }
  }

  /** A claim under the queue's and the keys' limits: they are locked, asked, and taken up, in one transaction. */
  async #claimLimited(quotas: readonly LaneQuota[]): Promise<readonly ClaimedRow[]> {
    const { jobs, limits, asked } = await this.#engine.database.system.transaction(async (tx) => {
      const limits = await lockQueueLimits(tx, this.queue)
      const held = await lockKeyLimits(tx, quotas)
      const asked = withinLimits(quotas, limits, held)
      const jobs = asked.length === 0 ? [] : await claimJobs(tx, { queue: this.queue, worker: this.#worker, lanes: asked })
      await takeUpLimits(tx, this.queue, limits, jobs, asked)
      return { jobs, limits, asked }
    })
    this.#lanes.learn(asked, jobs)
    countWaits(jobs)
    for (const job of jobs) meterOf(job.job_type).countTransition('CLAIM', job.was, 'claimed')
    const wanted = quotas.reduce((sum, quota) => sum + quota.limit, 0)
    // Slots come back when jobs end, tokens by the clock; until then the queue is not asked again in vain.
    if (limits && allowedBy(limits, wanted) - jobs.length <= 0) {
      const left = { ...limits, tokens: limits.tokens - jobs.length }
      this.#lanes.close(performance.now() + (nextTokenMs(left) ?? this.#engine.config.POLL_MS))
    } else if (jobs.length === 0) this.#lanes.clear(performance.now())
    return jobs
  }

  /** Until the next job is due, at most a poll's length; a notification comes sooner. */
  #waitForWork(): void {
    const { POLL_MS } = this.#engine.config
    const dueMs = this.#lanes.nextDueMs(performance.now()) ?? POLL_MS
    this.#timers.wait = setTimeout(() => this.#tell({ type: 'POLL' }), Math.min(POLL_MS, Math.max(WAIT_MIN_MS, dueMs)))
  }

  /** A job of this worker is tried again, or called again: that is known here, and need not wait for a poll. */
  #putOff(ms: number): void {
    if (ms >= this.#engine.config.POLL_MS || !this.#lanes.expect(performance.now() + ms)) return
    if (this.ref.getSnapshot().value !== 'waiting') return
    clearTimeout(this.#timers.wait)
    this.#waitForWork()
  }

  #slotFree(): void {
    const state = this.ref.getSnapshot().value
    if (state === 'waiting' && (this.#lanes.hasFull || isLimited(this.#limits))) return this.#limitFree()
    if (state !== 'full') return
    if (this.crew.free >= this.crew.window / 2) return this.#tell({ type: 'SLOT_FREE' })
    // A claim per finished job would be a commit per job.
    this.#timers.gather ??= setTimeout(() => {
      delete this.#timers.gather
      this.#tell({ type: 'SLOT_FREE' })
    }, SLOTS_GATHER_MS)
  }

  /** A job of ours has ended while a limit was reached: look again, once for all that end together. */
  #limitFree(): void {
    this.#timers.gather ??= setTimeout(() => {
      delete this.#timers.gather
      if (this.#limits?.rate_limit == null) this.#lanes.close(0)
      this.#tell({ type: 'WAKE' })
    }, SLOTS_GATHER_MS)
  }

  #jobCrashed(job: ClaimedJob, error: unknown): void {
    this.#engine.log.error({ job_id: job.id, queue: this.queue, err: error }, 'a job actor crashed; the census takes its job back')
    metrics.errors.inc({ error_type: 'job_actor_crash', endpoint: '' })
    this.suspects.add(job.id)
    this.#tell({ type: 'JOB_CRASHED', error })
  }

  async #drainCrew(): Promise<void> {
    await this.#claiming
    this.crew.releaseWaiting('the worker is draining')
    const empty = this.crew.empty()
    const deadline = new AbortController()
    await Promise.race([empty, pause(this.#engine.config.DRAIN_MS, undefined, { signal: deadline.signal }).catch(() => {})])
    deadline.abort()
    this.crew.interruptAll('RELEASE', 'the worker is draining')
    await empty
    this.#tell({ type: 'DRAINED' })
  }
}

/** Feeds the metrics of claims. */
function countWaits(jobs: readonly ClaimedRow[]): void {
  metrics.claimBatch.observe(jobs.length)
  // Those of one bundle have waited alike.
  for (let from = 0, to = 0; from < jobs.length; from = to) {
    const { job_type, wait_ms } = jobs[from]!
    while (to < jobs.length && jobs[to]!.job_type === job_type && jobs[to]!.wait_ms === wait_ms) to += 1
    meterOf(job_type).wait.observe(Math.max(0, wait_ms) / 1_000, to - from)
  }
}

/** What may be asked of each lane under the limits. Pure. */
function withinLimits(quotas: readonly LaneQuota[], limits: QueueLimits | null, held: ReadonlyMap<string, number>): LaneQuota[] {
  let left = limits ? allowedBy(limits, Number.MAX_SAFE_INTEGER) : Number.MAX_SAFE_INTEGER
  return quotas.flatMap((quota) => {
    const free = quota.limit_max === null ? quota.limit : quota.limit_max - (held.get(slotName(quota)) ?? 0)
    const limit = Math.max(0, Math.min(quota.limit, free, left))
    left -= limit
    return limit > 0 ? [{ ...quota, limit }] : []
  })
}
