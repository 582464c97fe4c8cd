import { hostname } from 'node:os'
import { bulkhead } from 'cockatiel'
import { createActor } from 'xstate'
import type { AnyActorRef } from 'xstate'
import type { Config } from '#config.ts'
import type { Database } from '#db/pool.ts'
import { declareSchedules } from '#db/schedules.ts'
import type { ScheduleDefinition } from '#db/schedules.ts'
import { ensureQueues, registerWorker, setWorkerStatus } from '#db/workers.ts'
import type { JobType } from '#jobs/job-type.ts'
import { jobTypes as allJobTypes, queuesOf } from '#jobs/registry.ts'
import { SCHEDULES } from '#jobs/schedules.ts'
import type { Logger } from '#log.ts'
import { chartOf } from '#machines/chart.ts'
import { workerMachine } from '#machines/worker.ts'
import { metrics } from '#metrics.ts'
import { VERSION } from '#version.ts'
import type { Engine } from './engine.ts'
import { endOwnLeases, heartbeatService, tellMoves } from './heartbeat.ts'
import { listenerActor } from './listener.ts'
import type { WakeMessage } from './listener.ts'
import { MoveLog } from './move-log.ts'
import { Recorder } from './recorder.ts'
import { rescuerService } from './rescuer.ts'
import { resolverService } from './resolver.ts'
import { CrashCounter } from './restart-budget.ts'
import type { RestartBudget } from './restart-budget.ts'
import { schedulerService } from './scheduler.ts'
import { awayPauseMs, isAwayForNow, serviceActor, sleep } from './service.ts'
import { startQueueSupervisor } from './supervisor.ts'
import type { QueueSupervisor } from './supervisor.ts'

/** What the death of each child means: it is started again, this often at most; beyond that the worker fails. */
const CHILDREN = {
  heartbeat: { crashes: 5, withinMs: 60_000 },
  rescuer: { crashes: 5, withinMs: 60_000 },
  scheduler: { crashes: 5, withinMs: 60_000 },
  resolver: { crashes: 5, withinMs: 60_000 },
  listener: { crashes: 10, withinMs: 60_000 },
  queue: { crashes: 5, withinMs: 60_000 },
} as const satisfies Record<string, RestartBudget>

/** Connections that handlers leave to the heartbeat and the recorder: thousands of jobs that write at once must not have their worker taken for dead. */
const KEPT_CONNECTIONS = 3

const CHART = chartOf(workerMachine)
/** A worker that ends waits so long to have its last moves written: they are figures, and its database may be away. */
const LAST_MOVES_MS = 5_000

export interface WorkerOptions {
  config: Config
  database: Database
  directUrl?: string | undefined
  log: Logger
  /** The kinds of job; a test brings its own. */
  jobTypes?: ReadonlyMap<string, JobType>
  queues?: readonly string[]
  schedules?: readonly ScheduleDefinition[]
  chance?: () => number
}

/** A running worker. */
export interface Worker {
  /** The worker's row. It changes where the others took the worker for dead and it registered anew. */
  readonly id: number
  /** Claims no more, finishes within DRAIN_MS, gives the rest back, and stops. */
  drain(): Promise<void>
  /** Aborted when it begins to drain: by `drain`, or because an operator asked for it. */
  ending: AbortSignal
  /** Resolves when the worker has stopped; rejects when it failed upwards. */
  stopped: Promise<void>
  tree(): unknown
  /** How many jobs it holds. */
  jobs(): number
}

/** Starts a worker; resolves when it is registered. While the database is away it waits for it. */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const host = new WorkerHost(options)
  await host.registered
  return host
}

/** Hosts the worker machine: it says what happens next, this class does it. */
class WorkerHost implements Worker {
  readonly #engine: Engine
  readonly #queues: readonly string[]
  readonly #schedules: readonly ScheduleDefinition[]
  readonly #recorder: Recorder
  readonly #moves = new MoveLog()
  readonly #counters = new Map<string, CrashCounter>()
  readonly #services = new Map<string, AnyActorRef>()
  readonly #ending = new AbortController()
  #supervisors: QueueSupervisor[] = []
  /** Its last number. */
  #formerly: number | null = null
  /** Crews of supervisors that were replaced; their last jobs are being given back. */
  #leaving: QueueSupervisor[] = []
  readonly stopped: Promise<void>
  readonly registered: Promise<void>
  readonly #actor

  constructor({ config, database, directUrl, log, jobTypes = allJobTypes, queues, schedules = SCHEDULES, chance = Math.random }: WorkerOptions) {
    const workerName = `${hostname()}:${process.pid}`
    const transactions = bulkhead(Math.max(1, config.DATABASE_POOL_SIZE - KEPT_CONNECTIONS), Infinity)
    this.#engine = { config, database, directUrl, jobTypes, workerName, transactions, log, chance }
    this.#queues = queues ?? queuesOf(config)
    this.#schedules = schedules
    this.#recorder = new Recorder(this.#engine)
    this.#actor = createActor(
      workerMachine.provide({
        actions: {
          register: () => void this.#register(),
          // XState forbids starting actors inside an action: they start in the next microtask.
          startChildren: ({ context }) => queueMicrotask(() => this.#startChildren(context.id!)),
          abandonChildren: () => this.#abandonChildren(),
          restartChild: ({ event }) => queueMicrotask(() => this.#restartChild(event as CrashEvent)),
          drainChildren: () => void this.#drainChildren(),
          signOff: () => {
            this.#stopServices()
            for (const supervisor of this.#supervisors) supervisor.stop()
          },
        },
        guards: { budgetIsSpent: ({ event }) => this.#counter((event as CrashEvent).actorId).isSpent(performance.now()) },
      }),
      { inspect: this.#moves.of(CHART, '') },
    )
    this.registered = new Promise((resolve) => {
      this.#actor.subscribe((snapshot) => snapshot.matches('starting') || resolve())
    })
    const ended = new Promise<void>((resolve, reject) => {
      this.#actor.subscribe({
        next: (snapshot) => {
          if (snapshot.matches('stopped')) resolve()
          if (snapshot.matches('failed')) reject(snapshot.context.error instanceof Error ? snapshot.context.error : new Error(String(snapshot.context.error)))
        },
        error: reject,
      })
    })
    this.stopped = this.#tellWhen(ended)
    // Whoever started the worker awaits `stopped`; until then its failure is not an unhandled one.
    this.stopped.catch(() => {})
    this.#actor.start()
  }

  get id(): number {
    return this.#actor.getSnapshot().context.id ?? 0
  }

  jobs(): number {
    return this.#supervisors.reduce((sum, { crew }) => sum + crew.count, 0)
  }

  get ending(): AbortSignal {
    return this.#ending.signal
  }

  async drain(): Promise<void> {
    this.#beginDrain('it was told to stop')
    await this.stopped
  }

  #beginDrain(why: string): void {
    if (this.#ending.signal.aborted) return
    this.#engine.log.info({ worker: this.id }, `draining, since ${why}: no more claims, finishing what runs`)
    this.#ending.abort()
    this.#actor.send({ type: 'DRAIN' })
  }

  tree(): unknown {
    return {
      id: `worker:${this.id}`,
      state: this.#actor.getSnapshot().value,
      children: [
        ...[...this.#services].map(([name, ref]) => ({
          id: name,
          state: ref.getSnapshot().status,
          restarts: this.#counter(name).total,
          restart_budget: this.#counter(name).budget,
        })),
        ...this.#supervisors.map((supervisor) => ({
          ...(supervisor.tree() as object),
          restarts: this.#counter(`queue:${supervisor.queue}`).total,
          restart_budget: CHILDREN.queue,
        })),
      ],
    }
  }

  async #register(): Promise<void> {
    const { database, log, workerName } = this.#engine
    for (let tries = 1; !this.#ending.signal.aborted; tries += 1) {
      try {
        await ensureQueues(database.system, this.#queues)
        await declareSchedules(database.system, this.#schedules)
        const description = { name: workerName, host: hostname(), pid: process.pid, version: VERSION, queues: this.#queues }
        const id = await registerWorker(database.system, { ...description, ...(this.#formerly === null ? {} : { formerly: this.#formerly }) })
        this.#formerly = id
        log.info({ worker: id, queues: this.#queues }, 'worker registered')
        this.#actor.send({ type: 'REGISTERED', id })
        return
      } catch (error) {
        if (!isAwayForNow(error)) return this.#childDied('register', error)
        if (tries === 1) log.warn({ error: String(error) }, 'cannot register: the database is away; waiting for it')
        await sleep(awayPauseMs(tries, this.#engine.chance()), this.#ending.signal)
      }
    }
  }

  #startChildren(worker: number): void {
    if (!this.#actor.getSnapshot().matches('working')) return
    this.#supervisors = this.#queues.map((queue) => this.#startSupervisor(worker, queue))
    for (const name of ['heartbeat', 'rescuer', 'scheduler', 'resolver', 'listener'] as const) this.#startService(name, worker)
  }

  #startService(name: Exclude<keyof typeof CHILDREN, 'queue'>, worker: number): void {
    const logic =
      name === 'listener'
        ? listenerActor((wake) => this.#wake(wake))
        : serviceActor(
            {
              heartbeat: heartbeatService({
                tree: () => this.tree(),
                supervisors: () => [...this.#supervisors, ...this.#leaving],
                moves: this.#moves,
                declaredLost: () => this.#actor.send({ type: 'DECLARED_LOST' }),
                drainRequested: () => this.#beginDrain('an operator asked for it'),
              }),
              rescuer: rescuerService,
              scheduler: schedulerService,
              resolver: resolverService,
            }[name],
          )
    const ref = createActor(logic, { input: { engine: this.#engine, worker }, id: name })
    ref.subscribe({ error: (error) => this.#childDied(name, error) })
    this.#services.set(name, ref)
    ref.start()
  }

  #startSupervisor(worker: number, queue: string): QueueSupervisor {
    return startQueueSupervisor(this.#engine, this.#recorder, this.#moves, worker, queue, (error) => this.#childDied(`queue:${queue}`, error))
  }

  #childDied(actorId: string, error: unknown): void {
    this.#engine.log.error({ actor: actorId, err: error }, 'an actor crashed')
    metrics.errors.inc({ error_type: 'actor_crash', endpoint: '' })
    this.#actor.send({ type: `xstate.error.actor.${actorId}`, error, actorId })
  }

  #restartChild({ actorId }: CrashEvent): void {
    this.#counter(actorId).add(performance.now())
    const kind = kindOf(actorId)
    metrics.actorRestarts.inc({ actor: kind })
    const worker = this.id
    if (kind !== 'queue') return this.#startService(kind, worker)
    const queue = actorId.slice('queue:'.length)
    this.#supervisors = this.#supervisors.map((supervisor) => {
      if (supervisor.queue !== queue) return supervisor
      this.#dismiss(supervisor, 'RELEASE', 'its supervisor crashed')
      const next = this.#startSupervisor(worker, queue)
      // What the crashed one was unsure of has gone with it.
      next.doubt = { since: performance.now(), asked: false }
      return next
    })
  }

  #dismiss(supervisor: QueueSupervisor, kind: 'RELEASE' | 'LEASE_LOST', why: string): void {
    supervisor.stop()
    supervisor.crew.interruptAll(kind, why)
    this.#leaving.push(supervisor)
    void supervisor.crew.empty().then(() => (this.#leaving = this.#leaving.filter((other) => other !== supervisor)))
  }

  /** The others took this worker for dead: its jobs are theirs, so what runs here is broken off and writes nothing. */
  #abandonChildren(): void {
    this.#engine.log.error({ worker: this.id }, 'this worker was declared lost while it lived; its runs are broken off, and it registers anew')
    this.#stopServices()
    for (const supervisor of this.#supervisors) this.#dismiss(supervisor, 'LEASE_LOST', 'the worker was declared lost')
    this.#supervisors = []
  }

  #stopServices(): void {
    for (const ref of this.#services.values()) ref.stop()
    this.#services.clear()
  }

  async #drainChildren(): Promise<void> {
    const { database, log } = this.#engine
    const worker = this.id
    const stops = this.#supervisors.map((supervisor) => {
      const stopped = new Promise<void>((resolve) => supervisor.ref.subscribe((snapshot) => snapshot.matches('stopped') && resolve()))
      supervisor.ref.send({ type: 'DRAIN' })
      return stopped
    })
    await setWorkerStatus(database.system, worker, 'draining').catch((error: unknown) => log.warn({ err: error }, 'the drain could not be announced'))
    await Promise.all(stops)
    await this.#recorder.idle()
    await endOwnLeases(this.#engine, worker, this.#supervisors).catch((error: unknown) => log.warn({ err: error }, 'leases could not be ended'))
    this.#stopServices()
    await setWorkerStatus(database.system, worker, 'stopped').catch((error: unknown) => log.warn({ err: error }, 'the stop could not be announced'))
    log.info({ worker }, 'worker stopped')
    this.#actor.send({ type: 'DRAINED' })
  }

  async #tellWhen(ended: Promise<void>): Promise<void> {
    try {
      await ended
    } finally {
      await this.#tellLastMoves()
    }
  }

  async #tellLastMoves(): Promise<void> {
    if (this.#formerly === null) return
    const told = tellMoves(this.#engine, this.#formerly, this.#moves)
    told.catch((error: unknown) => this.#engine.log.warn({ error: String(error) }, 'the last moves of the actors could not be written'))
    const patience = new AbortController()
    await Promise.race([told.catch(() => {}), sleep(LAST_MOVES_MS, patience.signal)])
    patience.abort()
  }

  #wake({ queues, cancel = [] }: WakeMessage): void {
    for (const supervisor of this.#supervisors) {
      for (const id of cancel) supervisor.crew.interrupt(id, 'CANCEL', 'cancel was asked for')
      const isConcerned = !queues || queues.includes(supervisor.queue)
      if (isConcerned && supervisor.ref.getSnapshot().status === 'active') supervisor.ref.send({ type: 'WAKE' })
    }
  }

  #counter(actorId: string): CrashCounter {
    const counter = this.#counters.get(actorId) ?? new CrashCounter(CHILDREN[kindOf(actorId)] ?? CHILDREN.queue)
    this.#counters.set(actorId, counter)
    return counter
  }
}

interface CrashEvent {
  actorId: string
}

function kindOf(actorId: string): keyof typeof CHILDREN {
  return actorId.split(':')[0] as keyof typeof CHILDREN
}
