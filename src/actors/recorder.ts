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
export type Settled = boolean | Error

/** Who is told what became of a move. */
export interface Settler<M extends Move> {
  settled(move: M, settled: Settled): void
}

/** A move that waits for its statement, who is told, and the job's next one. */
interface Entry {
  move: Move & JobTypeName
  settler: Settler<never>
  next: Entry | null
}

/**
 * Group commit: what jobs decide while one statement is under way goes into the next one. Nobody waits for a timer: a
 * lone transition is written at once. While the database is away the moves are held and tried again under their fence.
 */
export class Recorder {
  readonly #engine: Engine
  /** By job: a job's moves are recorded in the order in which they were decided. */
  #waiting = new Map<number, Entry>()
  /** The statements under way; what their jobs decide meanwhile waits for these to end. */
  #underWay: ReadonlyMap<number, Entry>[] = []
  #openings: Opening[] = []
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
      this.enter(move, { settled: (_, settled) => (settled instanceof Error ? reject(settled) : resolve(settled)) })
    })
  }

  /** Has `enter` called before the next statement: what a job opens with can wait until the turn of the event loop is over. */
  open(opening: Opening): void {
    this.#openings.push(opening)
    this.#gather()
  }

  /** The same for who does not wait: `settler` is told when it is known. */
  enter<M extends Move & JobTypeName>(move: M, settler: Settler<M>): void {
    const entry = { move, settler, next: null }
    const first = this.#waiting.get(move.id)
    if (first) lastOf(first).next = entry
    else this.#waiting.set(move.id, entry)
    this.#gather()
  }

  /** Resolves when nothing waits any more. */
  idle(): Promise<void> {
    return this.#isIdle ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  get #isIdle(): boolean {
    return this.#waiting.size === 0 && this.#openings.length === 0 && this.#underWay.length === 0
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
    return this.#underWay.length === 0 || (this.#underWay.length < FLUSHES_MAX && this.#waiting.size + this.#openings.length >= SECOND_MIN)
  }

  async #flush(): Promise<void> {
    const openings = this.#openings
    this.#openings = []
    for (const opening of openings) opening.enterOpening()
    const batch = this.#nextBatch()
    if (batch.size === 0) return
    this.#underWay.push(batch)
    try {
      await this.#write([...batch.values()])
    } finally {
      this.#underWay = this.#underWay.filter((other) => other !== batch)
    }
    if (this.#waiting.size > 0 || this.#openings.length > 0) this.#gather()
    else if (this.#isIdle) for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  /** Up to BATCH_MAX jobs; of each the oldest move, and those that follow it without a gap, as one. Mostly that is all that waits. */
  #nextBatch(): Map<number, Entry> {
    const waiting = this.#waiting
    this.#waiting = new Map()
    if (waiting.size <= BATCH_MAX && waiting.values().every((entry) => !this.#isUnderWay(entry.move.id) && isWhole(entry))) return waiting
    const batch = new Map<number, Entry>()
    for (const [id, entry] of waiting) {
      if (batch.size === BATCH_MAX || this.#isUnderWay(id)) {
        this.#waiting.set(id, entry)
        continue
      }
      batch.set(id, entry)
      const rest = cutAtGap(entry)
      if (rest) this.#waiting.set(id, rest)
    }
    return batch
  }

  #isUnderWay(id: number): boolean {
    return this.#underWay.some((batch) => batch.has(id))
  }

  async #write(batch: readonly Entry[]): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const started = performance.now()
      try {
        const recorded = await recordMoves(this.#engine.database.system, batch.map(merged))
        metrics.recorderFlush.observe((performance.now() - started) / 1_000)
        for (const entry of batch) settleAll(entry, recorded.has(entry.move.id))
        return
      } catch (error) {
        if (isAwayForNow(error) || isRollback(error)) {
          await pause(isRollback(error) ? 5 : awayPauseMs(tries, this.#engine.chance()))
        } else if (batch.length > 1) {
          // One of them is to blame: each alone, so that only that one fails.
          for (const entry of batch) await this.#write([entry])
          return
        } else {
          // What came before the refused move is sound: it is recorded without it.
          const refused = cutLast(batch[0]!)
          if (refused !== batch[0]!) await this.#write([batch[0]!])
          settle(refused, toError(error))
          return
        }
      }
    }
  }
}

function lastOf(entry: Entry): Entry {
  let last = entry
  while (last.next) last = last.next
  return last
}

/** Whether each move goes on where the one before it ends. */
function isWhole(entry: Entry): boolean {
  for (let one = entry; one.next; one = one.next) if (!follows(one.next.move, one.move)) return false
  return true
}

/** Parts the moves of a job before the first that does not go on where the one before it ends; what is cut off, if anything. */
function cutAtGap(entry: Entry): Entry | null {
  let last = entry
  while (last.next && follows(last.next.move, last.move)) last = last.next
  const rest = last.next
  last.next = null
  return rest
}

/** Cuts off the last move of a job, and returns it; it may be the only one. */
function cutLast(entry: Entry): Entry {
  let before: Entry | null = null
  let last = entry
  for (; last.next; last = last.next) before = last
  if (before) before.next = null
  return last
}

/** Whether a move goes on where the other ends. A gap or a lease parts two claims of one job, the first of which was undone by a fall of the server. */
function follows(move: Move, { version, transitions }: Move): boolean {
  return move.lease == null && move.version === version + transitions.length
}

/** Several moves of one job, each deciding on what the one before left, as one. */
function merged(entry: Entry): Move {
  const first = entry.move
  if (!entry.next) return first
  const last = lastOf(entry).move
  const transitions = [...first.transitions]
  for (let one = entry.next as Entry | null; one; one = one.next) transitions.push(...one.move.transitions)
  return { id: first.id, version: first.version, standing: last.standing, transitions, result: last.result, lease: first.lease ?? null }
}

function settleAll(entry: Entry, recorded: boolean): void {
  for (let one: Entry | null = entry; one; one = one.next) {
    if (recorded) countTransitions(one.move)
    settle(one, recorded)
  }
}

const settle = ({ move, settler }: Entry, settled: Settled): void => (settler as Settler<Move>).settled(move, settled)

/** Feeds the metric of transitions, once they are in the database. */
export function countTransitions(move: Move & JobTypeName): void {
  const meter = meterOf(move.job_type)
  for (const { event, from, to } of move.transitions) meter.countTransition(event, from, to)
}

/** 40001 and 40P01: the statement lost against another one, and may simply be run again. */
function isRollback(error: unknown): boolean {
  return ['40001', '40P01'].includes(sqlState(error) ?? '')
}
