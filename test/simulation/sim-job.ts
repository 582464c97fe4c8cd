import type { ClaimedRow } from '#db/job-claims.ts'
import type { Move, Transition } from '#db/job-records.ts'
import { backoffMs } from '#jobs/job-type.ts'
import { nextJob } from '#machines/job-step.ts'
import type { JobStanding } from '#machines/job-step.ts'
import type { JobEvent } from '#machines/job.ts'
import type { SimCrew } from './sim-worker.ts'
import * as db from './twin.ts'
import { Violation } from './world.ts'

export const BACKOFF = { base_ms: 200, factor: 2, max_ms: 5_000, jitter: 0.2 }
const TIMEOUT_MS = 4_000
const RUN_MS = { from: 1, to: 1_500 }
const GRACE_MS = 2_000
/** A transaction that hangs keeps its rows until the server gives its connection up. */
const HANG = { share: 0.02, from: 5_000, to: 60_000 }
const DURABLE_EACH = 0.2

export type Interruption = 'CANCEL' | 'TIMEOUT' | 'RELEASE' | 'LEASE_LOST'
type Outcome = 'plain' | 'writes' | 'fail' | 'permanent' | 'snooze' | 'never'
/** How handlers end, by weight. */
const OUTCOMES: readonly Outcome[] = ['plain', 'plain', 'plain', 'plain', 'writes', 'writes', 'writes', 'fail', 'fail', 'permanent', 'snooze', 'never']

/** A claimed job on its way through a worker, as src/actors/job.ts takes it. */
export class SimJob {
  readonly job: ClaimedRow
  readonly lease: number
  /** What came of its CLAIM. */
  claimed: 'recorded' | 'refused' | 'unknown' = 'unknown'
  readonly #worker: number
  readonly #crew: SimCrew
  #standing: JobStanding
  #version: number
  #interruption: Interruption | null = null
  #begun = false
  /** The handler is through: no interruption reaches it any more. */
  #through = false
  #started: boolean | null = true
  #whenStarted: (() => void)[] = []

  constructor(job: ClaimedRow, lease: number, worker: number, crew: SimCrew) {
    this.job = job
    this.lease = lease
    this.#worker = worker
    this.#crew = crew
    this.#version = job.version
    this.#standing = {
      state: job.was,
      context: { attempt: job.attempt, max_attempts: job.max_attempts, delay_ms: 0, worker: null, last_error: job.last_error },
    }
  }

  interrupt(kind: Interruption): void {
    if (this.#interruption !== null) return
    this.#interruption = kind
    const { world } = this.#crew
    if (this.#begun && !this.#through) this.#later(world.between(1, GRACE_MS), () => this.#end('plain'))
  }

  /** CLAIM of a job that waits for its slot. */
  claim(): void {
    if (this.#standing.state !== 'queued' && this.#standing.state !== 'retried') return
    const move = this.#decide({ type: 'CLAIM', worker: this.#worker, waited_ms: 0 }, undefined)
    this.#adopt(move)
    this.#crew.recorder.record(move, (recorded) => {
      this.#noteClaim(recorded)
      if (!recorded) this.interrupt('LEASE_LOST')
    })
  }

  #noteClaim(recorded: boolean): void {
    if (this.claimed === 'unknown') this.claimed = recorded ? 'recorded' : 'refused'
  }

  begin(): void {
    if (this.#interruption !== null) return this.#end('plain')
    const { world } = this.#crew
    if (world.happens(DURABLE_EACH)) return this.#step({ type: 'START' }, {}, () => this.#run())
    const move = this.#decide({ type: 'START' }, {})
    this.#adopt(move)
    this.#started = null
    this.#crew.recorder.record(move, (recorded) => {
      this.#started = recorded
      this.#noteClaim(recorded)
      if (!recorded) this.interrupt('LEASE_LOST')
      for (const go of this.#whenStarted.splice(0)) go()
    })
    this.#run()
  }

  #run(): void {
    this.#begun = true
    const { world } = this.#crew
    const outcome = OUTCOMES[Math.floor(world.chance() * OUTCOMES.length)]!
    this.#later(TIMEOUT_MS, () => this.#through || this.interrupt('TIMEOUT'))
    if (this.#interruption !== null) return this.#end('plain')
    if (outcome !== 'never') this.#later(world.between(RUN_MS.from, RUN_MS.to), () => this.#end(outcome))
  }

  /** The one way in which a run ends; the first to come counts. */
  #end(outcome: Outcome): void {
    if (this.#through) return
    this.#through = true
    this.#crew.slotDone(this.#begun)
    const { world } = this.#crew
    if (this.#interruption !== null) return this.#endInterrupted(this.#interruption)
    if (outcome === 'plain') return this.#step({ type: 'SUCCEED' }, {}, () => this.#leave(true))
    if (outcome === 'writes') return this.#whenStartIsKnown(() => this.#succeedWithWrites())
    if (outcome === 'snooze') return this.#step({ type: 'SNOOZE', delay_ms: world.between(100, 3_000) }, {}, () => this.#leave(true))
    const fault = { class: 'Error', message: 'as the seed wants' }
    const permanent = outcome === 'permanent'
    this.#step({ type: 'FAIL', fault, permanent, backoff_ms: this.#backoffMs() }, { error: fault, permanent }, () => this.#leave(true))
  }

  #endInterrupted(kind: Interruption): void {
    if (kind === 'LEASE_LOST') return this.#leave(false)
    if (kind !== 'TIMEOUT') return this.#step({ type: kind }, { reason: 'as the seed wants' }, () => this.#leave(true))
    const fault = { class: 'Timeout', message: 'did not end in time' }
    this.#step({ type: 'TIMEOUT', fault, backoff_ms: this.#backoffMs() }, { error: fault }, () => this.#leave(true))
  }

  #whenStartIsKnown(go: () => void): void {
    if (this.#started === null) this.#whenStarted.push(go)
    else go()
  }

  /** SUCCEED and the handler's writes in one transaction, tried until it is known what came of it. */
  #succeedWithWrites(): void {
    if (!this.#started) return this.#leave(false)
    const { world } = this.#crew
    const move = this.#decide({ type: 'SUCCEED' }, undefined)
    const { client } = this.#crew.worker
    const statement = (): boolean | 'hangs' => {
      if (world.goesWrong(HANG.share)) {
        world.twin.locks.set(move.id, world.now + world.between(HANG.from, HANG.to))
        if (world.happens(0.5)) this.#crew.worker.crash()
        return 'hangs'
      }
      return this.#commit(move)
    }
    const again = (): void => this.#later(world.between(200, 3_000), () => this.#succeedWithWrites())
    world.ask(client, `commit ${move.id}`, statement, (answer) => (answer === 'hangs' ? again() : this.#leave(answer)), again, [move.id])
  }

  #commit(move: Move): boolean {
    const { world } = this.#crew
    if (!recordFenced(this.#crew, [move]).has(move.id)) return false
    world.effects.set(move.id, (world.effects.get(move.id) ?? 0) + 1)
    world.examine(move.id)
    return true
  }

  #step(event: JobEvent, details: unknown, then: () => void): void {
    const move = this.#decide(event, Object.keys(details as object).length > 0 ? details : undefined)
    this.#crew.recorder.record(move, (recorded) => {
      this.#noteClaim(recorded)
      if (!recorded) return this.#leave(false)
      this.#adopt(move)
      then()
    })
  }

  #decide(event: JobEvent, details: unknown): Move {
    const { state } = this.#standing
    const isLeased = state === 'queued' || state === 'retried'
    const transitions: Transition[] = []
    let standing = this.#standing
    if (isLeased && event.type !== 'CLAIM') standing = this.#next(standing, { type: 'CLAIM', worker: this.#worker, waited_ms: 0 }, undefined, transitions)
    standing = this.#next(standing, event, details, transitions)
    return { id: this.job.id, version: this.#version, standing, transitions, lease: isLeased ? this.lease : null }
  }

  #next(before: JobStanding, event: JobEvent, details: unknown, transitions: Transition[]): JobStanding {
    const next = nextJob(before, event)
    if (!next) throw new Violation(`job ${this.job.id}: the machine has no ${event.type} in ${before.state}`)
    transitions.push({ event: event.type, from: before.state, to: next.state, attempt: next.context.attempt, worker: this.#worker, details })
    return next
  }

  #adopt(move: Move): void {
    this.#standing = move.standing
    this.#version = move.version + move.transitions.length
  }

  #backoffMs(): number {
    return backoffMs(BACKOFF, this.#standing.context.attempt, this.#crew.world.chance())
  }

  #later(ms: number, run: () => void): void {
    this.#crew.world.after(ms, () => this.#crew.worker.client.alive && run())
  }

  #leave(recorded: boolean): void {
    if (!this.#through) {
      this.#through = true
      this.#crew.slotDone(this.#begun)
    }
    this.#crew.left(this, recorded)
  }
}

/** recordMoves by a worker, held to the fence: what is recorded was decided by whom the row names as its holder. */
export function recordFenced(crew: SimCrew, moves: readonly Move[]): Set<number> {
  const { world } = crew
  const holders = new Map(moves.map((move) => [move.id, holderOf(world.twin, move)]))
  const recorded = db.recordMoves(world.twin, moves, world.now)
  for (const { id, transitions } of moves) {
    if (!recorded.has(id)) continue
    const writer = transitions[0]!.worker
    if (holders.get(id) !== writer) throw new Violation(`job ${id}: worker ${writer} wrote what worker ${holders.get(id)} holds`)
    world.examine(id)
  }
  return recorded
}

/** Who has the job by its row, or by the lease that the move names. */
function holderOf(twin: db.Twin, { id, lease, transitions: [first] }: Move): number | null {
  if (lease == null) return twin.jobs.get(id)!.locked_by
  const held = twin.leases.get(`${first!.worker} ${lease}`)
  return held?.jobs.some((job) => job.id === id) ? held.worker : null
}

interface Entry {
  move: Move
  settle: (recorded: boolean) => void
}

/** Group commit, as src/actors/recorder.ts does it: what is decided while one statement is under way goes into the next. */
export class SimRecorder {
  readonly #crew: SimCrew
  #waiting = new Map<number, Entry[]>()
  #flushing = false

  constructor(crew: SimCrew) {
    this.#crew = crew
  }

  get isIdle(): boolean {
    return !this.#flushing
  }

  record(move: Move, settle: (recorded: boolean) => void): void {
    this.#waiting.set(move.id, [...(this.#waiting.get(move.id) ?? []), { move, settle }])
    if (this.#flushing) return
    this.#flushing = true
    this.#crew.world.after(this.#crew.world.between(0, 3), () => this.#crew.worker.client.alive && this.#flush())
  }

  #flush(): void {
    const batch = [...this.#waiting.keys()].map((id) => this.#nextOf(id))
    if (batch.length === 0) this.#flushing = false
    else this.#write(batch)
  }

  /** The moves of a job that follow each other without a gap; a gap or a lease parts two claims, the first of which was undone. */
  #nextOf(id: number): Entry[] {
    const entries = this.#waiting.get(id)!
    const gap = entries.findIndex(
      ({ move }, at) => at > 0 && (move.lease != null || move.version !== entries[at - 1]!.move.version + entries[at - 1]!.move.transitions.length),
    )
    const parted = gap !== -1 && this.#crew.world.twin.weakness !== 'claims merged'
    if (!parted) this.#waiting.delete(id)
    return parted ? entries.splice(0, gap) : entries
  }

  #write(batch: Entry[][]): void {
    const { world, worker } = this.#crew
    const moves = batch.map(merged)
    const again = (): void => world.after(world.between(100, 3_000), () => worker.client.alive && this.#write(batch))
    const settle = (recorded: ReadonlySet<number>): void => {
      for (const entries of batch) for (const entry of entries) entry.settle(recorded.has(entry.move.id))
      this.#flush()
    }
    const what = moves.map(({ id, version, transitions }) => `${id} v${version} ${transitions.map(({ event }) => event).join('+')}`).join(', ')
    world.ask(
      worker.client,
      `record ${what}`,
      () => recordFenced(this.#crew, moves),
      settle,
      again,
      moves.map(({ id }) => id),
    )
  }
}

function merged(entries: readonly Entry[]): Move {
  const [first, last] = [entries[0]!.move, entries.at(-1)!.move]
  return {
    id: first.id,
    version: first.version,
    standing: last.standing,
    transitions: entries.flatMap(({ move }) => move.transitions),
    lease: first.lease ?? null,
  }
}
