import type { ClaimedRow } from '#db/job-claims.ts'
import type { Move } from '#db/job-records.ts'
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
  readonly #crew: SimCrew
  #standing: JobStanding
  #version: number
  #interruption: Interruption | null = null
  #begun = false
  /** The handler is through: no interruption reaches it any more. */
  #through = false
  #started: boolean | null = true
  #whenStarted: (() => void)[] = []

  constructor(job: ClaimedRow, crew: SimCrew) {
    this.job = job
    this.#crew = crew
    this.#version = job.version
    this.#standing = {
      state: 'claimed',
      context: { attempt: job.attempt, max_attempts: job.max_attempts, delay_ms: 0, worker: job.locked_by, last_error: job.last_error },
    }
  }

  interrupt(kind: Interruption): void {
    if (this.#interruption !== null) return
    this.#interruption = kind
    const { world } = this.#crew
    if (this.#begun && !this.#through) this.#later(world.between(1, GRACE_MS), () => this.#end('plain'))
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
    this.#crew.slotDone()
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
      if (!recorded) return this.#leave(false)
      this.#adopt(move)
      then()
    })
  }

  #decide(event: JobEvent, details: unknown): Move {
    const standing = nextJob(this.#standing, event)
    if (!standing) throw new Violation(`job ${this.job.id}: the machine has no ${event.type} in ${this.#standing.state}`)
    const transition = {
      event: event.type,
      from: this.#standing.state,
      to: standing.state,
      attempt: standing.context.attempt,
      worker: this.job.locked_by,
      details,
    }
    return { id: this.job.id, version: this.#version, standing, transitions: [transition] }
  }

  #adopt(move: Move): void {
    this.#standing = move.standing
    this.#version = move.version + move.transitions.length
  }

  #backoffMs(): number {
    return backoffMs(BACKOFF, this.job.attempt, this.#crew.world.chance())
  }

  #later(ms: number, run: () => void): void {
    this.#crew.world.after(ms, () => this.#crew.worker.client.alive && run())
  }

  #leave(recorded: boolean): void {
    if (!this.#through) {
      this.#through = true
      this.#crew.slotDone()
    }
    this.#crew.left(this, recorded)
  }
}

/** recordMoves by a worker, held to the fence: what is recorded was decided by whom the row names as its holder. */
export function recordFenced(crew: SimCrew, moves: readonly Move[]): Set<number> {
  const { world } = crew
  const holders = new Map(moves.map(({ id }) => [id, world.twin.jobs.get(id)!.locked_by]))
  const recorded = db.recordMoves(world.twin, moves, world.now)
  for (const { id, transitions } of moves) {
    if (!recorded.has(id)) continue
    const writer = transitions[0]!.worker
    if (holders.get(id) !== writer) throw new Violation(`job ${id}: worker ${writer} wrote what worker ${holders.get(id)} holds`)
    world.examine(id)
  }
  return recorded
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

  /** The moves of a job that follow each other without a gap; a gap parts two claims, the first of which was undone. */
  #nextOf(id: number): Entry[] {
    const entries = this.#waiting.get(id)!
    const gap = entries.findIndex(({ move }, at) => at > 0 && move.version !== entries[at - 1]!.move.version + entries[at - 1]!.move.transitions.length)
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
  return { id: first.id, version: first.version, standing: last.standing, transitions: entries.flatMap(({ move }) => move.transitions) }
}
