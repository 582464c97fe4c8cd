import { setTimeout as pause } from 'node:timers/promises'
import type { ClaimedJob } from '#db/job-claims.ts'
import type { Move } from '#db/job-records.ts'
import { recordMoves } from '#db/job-records.ts'
import { recordProgress } from '#db/jobs.ts'
import { bindOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { backoffMs, DEFAULT_BACKOFF, PermanentFailure } from '#jobs/job-type.ts'
import type { JobType, Outcome, RunningJob } from '#jobs/job-type.ts'
import type { JobEvent, JobFault, JobState } from '#machines/job.ts'
import { metrics } from '#metrics.ts'
import type { Happened } from '#open-telemetry.ts'
import { tracing } from '#tracing.ts'
import type { Course } from './course.ts'
import type { Engine } from './engine.ts'
import { countTransitions } from './recorder.ts'
import { meterOf } from './meter.ts'
import type { JobTypeName, Recorder, Settled, Settler } from './recorder.ts'
import { Interruption, Run, toError } from './run.ts'
import type { RunHost } from './run.ts'
import { awayPauseMs, isAwayForNow } from './service.ts'
import { wholeMs } from './taking.ts'
import type { Taking } from './taking.ts'

const STACK_CHARS = 4_000
/** Progress is written at most this often. */
const PROGRESS_MS = 500
const PROGRESS_NOTE_CHARS = 200

/** A move, and the course that it is a part of. */
interface Decision extends Move, JobTypeName {
  lease: number | null
  course: Course
}

/** The job moved on without this run: whatever it would write is refused. */
class LeaseLost extends Error {
  override name = 'LeaseLost'
}

/** Whom a job actor tells how it is getting on. */
export interface JobHost {
  /** The handler is through, and only recording is left; told once a job. */
  slotDone(actor: JobActor): void
  /** The job has left this worker's hands; `recorded` is false where the lease was lost, and so nothing of its end was written. */
  left(actor: JobActor, recorded: boolean): void
  /** The engine's own fault, not the handler's. */
  crashed(actor: JobActor, error: unknown): void
}

/**
 * One claimed job on its way: it decides by the machine, has the decision recorded, and only then acts. There is one
 * way in (`begin`), one way in which a run ends (`#close`) and one in which the job leaves (`#leave`). What every quick
 * job goes through is written with callbacks: promises were a third of the worker's time.
 */
export class JobActor implements RunHost, Settler<Decision> {
  readonly job: ClaimedJob
  /** The serial of the lease under which it came; null where its CLAIM was recorded at once. */
  readonly lease: number | null
  /** What came of its CLAIM: recorded, so that the table says that the job is ours; refused, since it had moved on; or nobody knows yet. */
  claimed: 'recorded' | 'refused' | 'unknown'
  readonly #worker: number
  readonly #host: JobHost
  readonly #engine: Engine
  readonly #recorder: Recorder
  readonly #run = new Run()
  #holdsSlot = true
  readonly #taken: Taking
  /** Whether START is in the database: not known yet, yes, or no, and never will be. */
  #started: boolean | null = true
  #whenStarted: (() => void)[] | null = null
  /** START, decided and not yet entered: what ends in the same turn goes with it. */
  #opening: Decision | null = null
  #course: Course
  #version: number
  #type: JobType | null = null
  #progress: { share: number; note: string } | null = null
  /** The attempt, where it is traced. Only the handler and its writes run within it: what follows them may be another job's. */
  #happening: Happened | null = null

  constructor(job: ClaimedJob, taken: Taking, worker: number, engine: Engine, recorder: Recorder, host: JobHost) {
    this.job = job
    this.#taken = taken
    this.lease = taken.lease
    this.#host = host
    this.#worker = worker
    this.#engine = engine
    this.#recorder = recorder
    this.#version = job.version
    this.claimed = taken.lease === null ? 'recorded' : 'unknown'
    this.#course = taken.courseOf(job)
  }

  /** When it was taken, on the wall clock. */
  get since(): number {
    return this.#taken.since
  }

  /** Milliseconds that the handler took. */
  get runMs(): number {
    return this.#run.ms
  }

  get state(): JobState {
    return this.#course.standing.state
  }

  /** For how long the job that has left is put off; 0 where it has ended, or was given back. */
  get putOffMs(): number {
    const { state, context } = this.#course.standing
    return state === 'retried' || state === 'queued' ? context.delay_ms : 0
  }

  /** Breaks the run off; the first reason counts. */
  interrupt(kind: Interruption['kind'], message: string): void {
    this.#run.interrupt(kind, message)
  }

  /** Begins the run; the host is told when it is over, and when the job has left. */
  begin(): void {
    try {
      if (this.#run.interruption) return this.#close(this.#run.interruption)
      const type = this.#engine.jobTypes.get(this.job.job_type)
      if (type?.durable === 'each') return void this.#startDurably(type)
      this.#start()
      this.#runHandler(type)
    } catch (error) {
      this.#freeSlot()
      this.#leave(error)
    }
  }

  /** CLAIM of a leased job that has waited for a slot longer than most: the table shall say who has it. */
  claim(): void {
    if (this.#course.standing.state !== 'queued' && this.#course.standing.state !== 'retried') return
    const move = this.#decide({ type: 'CLAIM', worker: this.#worker, waited_ms: 0 })
    this.#adopt(move)
    this.#recorder.enter(move, this)
  }

  /** What became of a move that nobody awaits: CLAIM by itself, START, the end, or several of them in one. */
  settled(move: Decision, settled: Settled): void {
    const last = move.transitions.at(-1)!.event
    if (last === 'CLAIM') {
      this.#noteClaim(settled)
      if (settled !== true) this.interrupt('LEASE_LOST', 'the job had moved on before CLAIM was recorded')
      return
    }
    if (last === 'START' || move.transitions.length > 1) this.#noteStart(settled)
    if (last === 'SUCCEED') this.#settleSuccess(move, settled)
  }

  /** The first answer to a move of a leased job is the answer to its CLAIM. */
  #noteClaim(settled: Settled): void {
    if (this.claimed === 'unknown' && !(settled instanceof Error)) this.claimed = settled ? 'recorded' : 'refused'
  }

  #freeSlot(): void {
    if (!this.#holdsSlot) return
    this.#holdsSlot = false
    this.#host.slotDone(this)
  }

  /** START, in the database before the handler begins. */
  async #startDurably(type: JobType): Promise<void> {
    try {
      await this.#take({ type: 'START' })
      this.#runHandler(type)
    } catch (error) {
      this.#freeSlot()
      this.#leave(error)
    }
  }

  /** START with the next recording statement, a quick job's together with its end; the handler begins at once. */
  #start(): void {
    this.#opening = this.#decide({ type: 'START' })
    this.#adopt(this.#opening)
    this.#started = null
    this.#recorder.open(this)
  }

  /** The handler has outlived the turn in which it began, or ended otherwise than most: START goes by itself. */
  enterOpening(): void {
    const move = this.#opening
    this.#opening = null
    if (move) this.#recorder.enter(move, this)
  }

  #noteStart(recorded: Settled): void {
    this.#started = recorded === true
    this.#noteClaim(recorded)
    if (!this.#started) this.interrupt('LEASE_LOST', 'the job had moved on before START was recorded')
    for (const resolve of this.#whenStarted ?? []) resolve()
    this.#whenStarted = null
  }

  /** Resolves when it is known whether START is in the database. */
  async #startIsRecorded(): Promise<boolean> {
    if (this.#started === null) await new Promise<void>((resolve) => (this.#whenStarted ??= []).push(resolve))
    return this.#started === true
  }

  /** Runs the handler; its outcome, its error or the interruption closes the run, whichever comes first. */
  #runHandler(type: JobType | undefined): void {
    if (!type) return this.#close(new PermanentFailure(`this worker knows no job type ${this.job.job_type}`))
    this.#openTrace(type)
    this.#type = type
    this.#run.start(this, type.timeout_ms)
  }

  /** The handler, called by the run. */
  handle(): Promise<Outcome> {
    return this.#traced(() => this.#handle(this.#type!))
  }

  /** What the run came to, told by it once. */
  ended(outcome: Outcome | Error): void {
    meterOf(this.job.job_type).run.observe(this.#run.ms / 1_000)
    this.#close(outcome)
  }

  #openTrace(type: JobType): void {
    const attempt = this.#course.standing.context.attempt
    this.#happening =
      tracing()?.open(`${type.name} attempt ${attempt}`, {
        kind: 'consumer',
        parent: this.job.traceparent ?? null,
        attributes: {
          'messaging.system': 'atum-desk',
          'messaging.operation.type': 'process',
          'messaging.destination.name': type.queue,
          'messaging.message.id': String(this.job.id),
          'atum.job.type': type.name,
          'atum.job.attempt': attempt,
          'atum.worker': this.#engine.workerName,
        },
      }) ?? null
  }

  #traced<T>(work: () => T): T {
    return this.#happening ? this.#happening.run(work) : work()
  }

  #handle(type: JobType): Promise<Outcome> {
    const payload = type.payload.safeParse(this.job.payload)
    if (!payload.success) throw new PermanentFailure(`payload: ${payload.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ')}`)
    return type.run(new Running(this, payload.data))
  }

  get attempt(): number {
    return this.#course.standing.context.attempt
  }

  get signal(): AbortSignal {
    return this.#run.signal
  }

  /** Keeps the newest word on progress, and writes it after a while; a job that is over by then has no use for it. */
  noteProgress(share: number, note = ''): void {
    const first = this.#progress === null
    this.#progress = { share: Math.min(1, Math.max(0, share)), note: note.slice(0, PROGRESS_NOTE_CHARS) }
    if (first) setTimeout(() => void this.#writeProgress(), PROGRESS_MS)
  }

  async #writeProgress(): Promise<void> {
    const progress = this.#progress
    this.#progress = null
    if (this.#course.standing.state !== 'running' || !(await this.#startIsRecorded())) return
    const version = this.#version
    try {
      const ours = await recordProgress(this.#engine.database.system, { id: this.job.id, version, progress })
      if (!ours && version === this.#version && this.#course.standing.state === 'running')
        this.interrupt('LEASE_LOST', 'the job had moved on when its progress was noted')
    } catch (error) {
      if (!isAwayForNow(error)) this.#engine.log.warn({ job_id: this.job.id, err: error }, 'progress could not be noted')
    }
  }

  /** The one way in which a run ends. Success without writes is what most quick jobs come to. */
  #close(outcome: Outcome | Error): void {
    try {
      this.#freeSlot()
      if (!(outcome instanceof Error) && outcome.kind === 'succeed' && !outcome.writes) return this.#succeed(outcome.result)
    } catch (error) {
      return this.#leave(error)
    }
    void this.#leaveAfter(this.#end(outcome))
  }

  #succeed(result: unknown): void {
    const opening = this.#opening
    // A result may be one that PostgreSQL refuses: START must not go down with it.
    if (!opening || result !== undefined) {
      this.enterOpening()
      return this.#recorder.enter(this.#decide({ type: 'SUCCEED' }, result), this)
    }
    this.#opening = null
    this.#recorder.enter(this.#moveTo(this.#step(opening.course, { type: 'SUCCEED' }), opening.version, opening.lease), this)
  }

  #settleSuccess(move: Decision, settled: Settled): void {
    if (settled instanceof Error) return void this.#leaveAfter(this.#fail(settled))
    if (!settled) return this.#leave(new LeaseLost())
    this.#adopt(move)
    this.#countEnd()
    this.#leave(null)
  }

  async #leaveAfter(ending: Promise<void>): Promise<void> {
    try {
      await ending
    } catch (error) {
      return this.#leave(error)
    }
    this.#leave(null)
  }

  /** The one way in which the job leaves: recorded, with its lease lost, or by a fault of the engine. */
  #leave(error: unknown): void {
    this.#endTrace(error)
    try {
      if (error === null) return this.#host.left(this, true)
      if (!(error instanceof LeaseLost)) return this.#host.crashed(this, error)
      this.#noteLeaseLost()
      this.#host.left(this, false)
    } catch (fault) {
      this.#host.crashed(this, fault)
    }
  }

  #endTrace(error: unknown): void {
    if (!this.#happening) return
    const { state } = this.#course.standing
    // Not the message: it may quote what a customer wrote.
    const fault = error === null ? (state === 'retried' || state === 'failed' ? state : undefined) : toError(error).name
    this.#happening.end({ 'atum.job.state': error === null ? state : 'lost' }, fault)
  }

  async #end(outcome: Outcome | Error): Promise<void> {
    if (outcome instanceof Interruption) return this.#endInterrupted(outcome)
    if (outcome instanceof Error) return this.#fail(outcome)
    if (outcome.kind === 'snooze') return this.#finish({ type: 'SNOOZE', delay_ms: outcome.delay_ms }, { delay_ms: outcome.delay_ms })
    try {
      await this.#succeedWith(outcome.writes!, outcome.result)
    } catch (error) {
      if (error instanceof LeaseLost) throw error
      await this.#fail(toError(error))
    }
  }

  async #endInterrupted({ kind, message }: Interruption): Promise<void> {
    if (kind === 'LEASE_LOST') throw new LeaseLost()
    if (kind === 'TIMEOUT') {
      const fault = { class: 'Timeout', message }
      const backoff_ms = this.#backoffMs()
      return this.#finish({ type: 'TIMEOUT', fault, backoff_ms }, { error: fault, backoff_ms })
    }
    return this.#finish({ type: kind }, { reason: message })
  }

  async #fail(error: Error): Promise<void> {
    const fault = faultOf(error)
    const permanent = error instanceof PermanentFailure
    const backoff_ms = this.#backoffMs()
    await this.#finish({ type: 'FAIL', fault, permanent, backoff_ms }, { error: fault, permanent, backoff_ms })
  }

  async #finish(event: JobEvent, details: unknown): Promise<void> {
    await this.#take(event, details)
    this.#countEnd()
  }

  /** Decides, has it recorded, and stands where the machine says. @throws LeaseLost */
  async #take(event: JobEvent, details?: unknown): Promise<void> {
    const move = this.#decide(event, undefined, details)
    this.enterOpening()
    const recorded = await this.#recorder.record(move)
    this.#noteClaim(recorded)
    if (!recorded) throw new LeaseLost()
    this.#adopt(move)
  }

  /** SUCCEED together with the handler's own writes, in one transaction: both commit, or neither does. */
  async #succeedWith(writes: (tx: DatabaseTransactionConnection) => Promise<void>, result: unknown): Promise<void> {
    if (!(await this.#startIsRecorded())) throw new LeaseLost()
    const decided = this.#decide({ type: 'SUCCEED' }, result)
    // It happens when its transaction begins; from there, nothing is to be counted back.
    const move = { ...decided, transitions: decided.transitions.map((transition) => ({ ...transition, decided_at: undefined })) }
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#traced(() =>
          this.transaction(async (tx) => {
            await writes(tx)
            if (!(await recordMoves(tx, [move])).has(move.id)) throw new LeaseLost()
          }),
        )
        break
      } catch (error) {
        // A commit whose answer was lost has moved the version on: the next try is refused, and nothing is done twice.
        if (!isAwayForNow(error)) throw error
        await pause(awayPauseMs(tries, this.#engine.chance()))
      }
    }
    countTransitions(move)
    this.#adopt(move)
    this.#countEnd()
  }

  /** What `event` makes of the job. A leased job's CLAIM goes with the first thing that is decided. */
  #decide(event: JobEvent, result?: unknown, details?: unknown): Decision {
    const { state } = this.#course.standing
    const isLeased = state === 'queued' || state === 'retried'
    const claimed = isLeased && event.type !== 'CLAIM' ? this.#step(this.#course, { type: 'CLAIM', worker: this.#worker, waited_ms: 0 }) : this.#course
    return this.#moveTo(this.#step(claimed, event, details), this.#version, isLeased ? this.lease : null, result)
  }

  #moveTo(course: Course, version: number, lease: number | null, result?: unknown): Decision {
    const { id, job_type } = this.job
    return { id, job_type, version, standing: course.standing, transitions: course.transitions, result, lease, course }
  }

  #step(course: Course, event: JobEvent, details?: unknown): Course {
    const next = course.step(event, this.#worker, event.type === 'CLAIM' ? this.#taken.at : wholeMs(), details)
    if (!next) throw new Error(`job ${this.job.id}: the machine has no ${event.type} in ${course.standing.state}`)
    return next
  }

  #adopt(move: Decision): void {
    this.#course = move.course.recorded()
    this.#version = move.version + move.transitions.length
  }

  /** A transaction in the job's organisation; without one it sees no tenant's rows. */
  transaction<T>(work: (tx: DatabaseTransactionConnection) => Promise<T>): Promise<T> {
    const { organization_id } = this.job
    return this.#engine.transactions.execute(() =>
      this.#engine.database.system.transaction(async (tx) => {
        if (organization_id !== null) await bindOrganization(tx, organization_id)
        return work(tx)
      }),
    )
  }

  #backoffMs(): number {
    return backoffMs(this.#engine.jobTypes.get(this.job.job_type)?.backoff ?? DEFAULT_BACKOFF, this.#course.standing.context.attempt, this.#engine.chance())
  }

  #noteLeaseLost(): void {
    metrics.leasesLost.inc({ job_type: this.job.job_type })
    this.interrupt('LEASE_LOST', 'the job has moved on')
    this.#engine.log.warn({ job_id: this.job.id, version: this.#version }, 'lease lost: the job had moved on, nothing was written')
  }

  #countEnd(): void {
    meterOf(this.job.job_type).countEnd(this.#engine.workerName, this.#course.standing.state)
  }
}

/** What a handler is given. What it looks at is made when it looks: most quick ones use next to nothing of it. */
class Running implements RunningJob<unknown> {
  readonly #actor: JobActor
  readonly payload: unknown

  constructor(actor: JobActor, payload: unknown) {
    this.#actor = actor
    this.payload = payload
  }

  get id(): number {
    return this.#actor.job.id
  }

  get organization_id(): string | null {
    return this.#actor.job.organization_id
  }

  get attempt(): number {
    return this.#actor.attempt
  }

  get signal(): AbortSignal {
    return this.#actor.signal
  }

  get read(): RunningJob<unknown>['read'] {
    return (work) => this.#actor.transaction(work)
  }

  get progress(): RunningJob<unknown>['progress'] {
    return (share, note) => this.#actor.noteProgress(share, note)
  }
}

/** An error as it is stored: text on purpose, since an Error in JSON is {}; without the NUL and the halves of characters that PostgreSQL refuses. */
function faultOf(error: Error): JobFault {
  const clean = (text: string, chars: number) => text.slice(0, chars).replaceAll('\0', '�').toWellFormed()
  return {
    class: clean(error.name || 'Error', 100),
    message: clean(error.message, 2_000),
    stack: clean(error.stack ?? '', STACK_CHARS),
  }
}
