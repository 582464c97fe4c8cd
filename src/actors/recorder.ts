import { setTimeout as pause } from 'node:timers/promises'
import { sqlState } from '#db/errors.ts'
import { recordMoves } from '#db/job-records.ts'
import type { Move } from '#db/job-records.ts'
import { metrics } from '#metrics.ts'
import type { Engine } from './engine.ts'
import { meterOf } from './meter.ts'
import { toError } from './run.ts'
import { awayPauseMs, isAwayForNow } from './service.ts'

/** At most this many jobs go into one statement; larger ones gain nothing any more. */
const BATCH_MAX = 2_000

/** Statements under way at a time; while one waits for the disk, the next is at work. */
const FLUSHES_MAX = 2
/** A second statement begins only when this many jobs wait: fewer are better off together, in the next one. */
const SECOND_MIN = 250

/** Whose move it is, for the metrics. */
export interface JobTypeName {
  job_type: string
}

/** Whoever has something to enter when the turn of the event loop is over. */
interface Opening {
  enterOpening(): void
}

/** What became of a move: recorded, refused because the job had moved on, or what PostgreSQL says of this very move. */
type Settled = boolean | Error

/** A move that waits for its statement, and who is told. */
interface Entry {
  move: Move & JobTypeName
  settle: (settled: Settled) => void
}

/**
 * Group commit: what jobs decide while one statement is under way goes into the next one. Nobody waits for a timer: a
 * lone transition is written at once. While the database is away the moves are held and tried again under their fence.
 */
export class Recorder {
  readonly #engine: Engine
  /** By job: a job's moves are recorded in the order in which they were decided. */
  #waiting = new Map<number, Entry[]>()
  /** Jobs of the statements under way; what they decide meanwhile waits for these to end. */
  readonly #inFlight = new Set<number>()
  #openings: Opening[] = []
  #flushes = 0
  #isGathering = false
  #whenIdle: (() => void)[] = []

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /**
   * Records a move.
   *
   * @returns false where the job had moved on meanwhile: the lease is lost, and nothing was written
   * @throws what PostgreSQL says of this very move (a result that is no valid jsonb, for one)
   */
  record(move: Move & JobTypeName): Promise<boolean> {
    return new Promise((resolve, reject) => {
      this.enter(move, (settled) => (settled instanceof Error ? reject(settled) : resolve(settled)))
    })
  }

  /** Has `enter` called before the next statement: what a job opens with can wait until the turn of the event loop is over. */
  open(opening: Opening): void {
    this.#openings.push(opening)
    this.#gather()
  }

  /** The same for who does not wait: `settle` is told when it is known. */
  enter(move: Move & JobTypeName, settle: Entry['settle']): void {
    const entries = this.#waiting.get(move.id)
    if (entries) entries.push({ move, settle })
    else this.#waiting.set(move.id, [{ move, settle }])
    this.#gather()
  }

  /** Resolves when nothing waits any more. */
  idle(): Promise<void> {
    return this.#isIdle ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  get #isIdle(): boolean {
    return this.#waiting.size === 0 && this.#openings.length === 0 && this.#flushes === 0
  }

  /** Lets everything that is decided in this turn of the event loop come along: a quick job's START and its end are one write. */
  #gather(): void {
    if (this.#isGathering || !this.#mayFlush) return
    this.#isGathering = true
    setImmediate(() => {
      this.#isGathering = false
      if (this.#mayFlush) void this.#flush()
    })
  }

  get #mayFlush(): boolean {
    return this.#flushes === 0 || (this.#flushes < FLUSHES_MAX && this.#waiting.size + this.#openings.length >= SECOND_MIN)
  }

  async #flush(): Promise<void> {
    const openings = this.#openings
    this.#openings = []
    for (const opening of openings) opening.enterOpening()
    const batch = this.#nextBatch()
    if (batch.length === 0) return
    this.#flushes += 1
    for (const [first] of batch) this.#inFlight.add(first!.move.id)
    try {
      await this.#write(batch)
    } finally {
      this.#flushes -= 1
      for (const [first] of batch) this.#inFlight.delete(first!.move.id)
    }
    if (this.#waiting.size > 0 || this.#openings.length > 0) this.#gather()
    else if (this.#isIdle) for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  /** Up to BATCH_MAX jobs; of each the oldest move, and those that follow it without a gap, as one. */
  #nextBatch(): Entry[][] {
    const batch: Entry[][] = []
    for (const [id, entries] of this.#waiting) {
      if (batch.length === BATCH_MAX) break
      if (this.#inFlight.has(id)) continue
      const gap = entries.length === 1 ? -1 : entries.findIndex(({ move }, at) => at > 0 && !follows(move, entries[at - 1]!.move))
      batch.push(gap === -1 ? entries : entries.splice(0, gap))
      if (gap === -1) this.#waiting.delete(id)
    }
    return batch
  }

  async #write(batch: Entry[][]): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const started = performance.now()
      try {
        const recorded = await recordMoves(this.#engine.database.system, batch.map(merged))
        metrics.recorderFlush.observe((performance.now() - started) / 1_000)
        for (const entries of batch) settle(entries, recorded.has(entries[0]!.move.id))
        return
      } catch (error) {
        if (isAwayForNow(error) || isRollback(error)) {
          await pause(isRollback(error) ? 5 : awayPauseMs(tries, this.#engine.chance()))
        } else if (batch.length > 1) {
          // One of them is to blame: each alone, so that only that one fails.
          for (const entries of batch) await this.#write([entries])
          return
        } else {
          // What came before the refused move is sound: it is recorded without it.
          const refused = batch[0]!.at(-1)!
          const sound = batch[0]!.slice(0, -1)
          if (sound.length > 0) await this.#write([sound])
          refused.settle(toError(error))
          return
        }
      }
    }
  }
}

/** Whether a move goes on where the other ends. A gap or a lease parts two claims of one job, the first of which was undone by a fall of the server. */
function follows(move: Move, { version, transitions }: Move): boolean {
  return move.lease == null && move.version === version + transitions.length
}

/** Several moves of one job, each deciding on what the one before left, as one. */
function merged(entries: readonly Entry[]): Move {
  const first = entries[0]!.move
  if (entries.length === 1) return first
  const last = entries.at(-1)!.move
  return {
    id: first.id,
    version: first.version,
    standing: last.standing,
    transitions: entries.length === 2 ? [...first.transitions, ...last.transitions] : entries.flatMap(({ move }) => move.transitions),
    result: last.result,
    lease: first.lease ?? null,
  }
}

function settle(entries: readonly Entry[], recorded: boolean): void {
  for (const entry of entries) {
    if (recorded) countTransitions(entry.move)
    entry.settle(recorded)
  }
}

/** Feeds the metric of transitions, once they are in the database. */
export function countTransitions(move: Move & JobTypeName): void {
  const meter = meterOf(move.job_type)
  for (const { event, from, to } of move.transitions) meter.countTransition(event, from, to)
}

/** 40001 and 40P01: the statement lost against another one, and may simply be run again. */
function isRollback(error: unknown): boolean {
  return ['40001', '40P01'].includes(sqlState(error) ?? '')
}
