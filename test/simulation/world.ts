import { differencesOf, replay } from '#machines/replay.ts'
import * as db from './twin.ts'
import type { Twin } from './twin.ts'

/** A small generator of numbers from 0 to 1: the same seed, the same numbers. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Whoever asks the database: it may be cut off, and it may die over its question. */
export interface Client {
  name: string
  alive: boolean
  /** Cut off from the database until then; it lives on. */
  cutOffUntil: number
}

/** How often each thing goes wrong, per statement. None of it in calm times. */
const FAULTS = { refused: 0.02, answerLost: 0.04, givenUp: 0.03, slow: 0.03, fallAfter: 0.004 }
const LATENCY_MS = { from: 1, to: 12 }
const SLOW_MS = 12_000
/** A statement whose connection was lost comes to its end within this time: the engine's own SETTLE_MS. */
const LATE_MS = 8_000
const CONNECT_TIMEOUT_MS = 5_000
const DOWN_MS = { from: 100, to: 4_000 }

/** Smaller than the engine's, so that a seed stays short; the rules are the same. */
const BUNDLING = { min: 3, max: 4 }

interface Timer {
  at: number
  order: number
  run: () => void
}

/** An invariant does not hold. */
export class Violation extends Error {
  override name = 'Violation'
}

/** One simulated clock, one database, everything by chance of one seed. */
export class World {
  readonly twin: Twin = db.emptyTwin(BUNDLING)
  readonly chance: () => number
  readonly trace: string[] | null
  now = 0
  /** Faults happen. */
  stormy = true
  /** Effects that committed, by job: what handlers wrote together with SUCCEED. */
  readonly effects = new Map<number, number>()
  #timers: Timer[] = []
  #order = 0
  #downUntil = 0

  constructor(seed: number, { traced = false } = {}) {
    this.chance = mulberry32(seed)
    this.trace = traced ? [] : null
  }

  between(from: number, to: number): number {
    return Math.round(from + (to - from) * this.chance())
  }

  happens(share: number): boolean {
    return this.chance() < share
  }

  /** With this chance while it storms, never in calm times. */
  goesWrong(share: number): boolean {
    return this.stormy && this.happens(share)
  }

  note(say: () => string): void {
    this.trace?.push(`${String(this.now).padStart(7)} ${say()}`)
  }

  after(ms: number, run: () => void): void {
    const timer = { at: this.now + Math.max(0, ms), order: this.#order++, run }
    let slot = this.#timers.length
    this.#timers.push(timer)
    while (slot > 0) {
      const parent = (slot - 1) >> 1
      if (!isBefore(timer, this.#timers[parent]!)) break
      this.#timers[slot] = this.#timers[parent]!
      slot = parent
    }
    this.#timers[slot] = timer
  }

  /** Runs what is due, in order, until the time is over or `done` says so. */
  runUntil(end: number, done: () => boolean = () => false): void {
    while (this.#timers.length > 0 && this.#timers[0]!.at <= end && !done()) {
      const timer = this.#pop()
      this.now = timer.at
      timer.run()
    }
    if (!done()) this.now = end
  }

  #pop(): Timer {
    const first = this.#timers[0]!
    const last = this.#timers.pop()!
    if (this.#timers.length === 0) return first
    let slot = 0
    for (;;) {
      let child = 2 * slot + 1
      if (child >= this.#timers.length) break
      if (child + 1 < this.#timers.length && isBefore(this.#timers[child + 1]!, this.#timers[child]!)) child += 1
      if (!isBefore(this.#timers[child]!, last)) break
      this.#timers[slot] = this.#timers[child]!
      slot = child
    }
    this.#timers[slot] = last
    return first
  }

  /**
   * One statement: there, done, and back, each of which may fail. A client that died after sending it is still served.
   *
   * @param rows the jobs whose rows it must lock: it waits while a hanging transaction holds one
   */
  ask<Answer>(client: Client, what: string, statement: () => Answer, then: (answer: Answer) => void, away: () => void, rows: readonly number[] = []): void {
    const tell = (run: () => void) => () => client.alive && run()
    const lost = (why: string, ms: number) => {
      this.note(() => `${client.name}: ${what}: ${why}`)
      this.after(ms, tell(away))
    }
    const arrive = (): void => {
      if (this.#isCutOff(client)) return lost('cannot reach the database', this.between(10, CONNECT_TIMEOUT_MS))
      if (this.goesWrong(FAULTS.refused)) return lost('refused', this.#latency())
      const lockedUntil = Math.max(0, ...rows.map((id) => this.twin.locks.get(id) ?? 0))
      if (lockedUntil > this.now) return this.after(lockedUntil - this.now, arrive)
      const answer = statement()
      this.note(() => `${client.name}: ${what}: ${inShort(answer)}`)
      if (this.goesWrong(FAULTS.fallAfter)) this.fall()
      if (this.goesWrong(FAULTS.answerLost)) return lost('its answer was lost', this.#latency())
      this.after(this.#latency(), () => (this.#isCutOff(client) ? tell(away)() : tell(() => then(answer))()))
    }
    if (this.goesWrong(FAULTS.givenUp)) this.#giveUp(client, what, statement, away, rows)
    else this.after(this.#latency(), arrive)
  }

  /** The connection is lost, and its statement is done all the same, some time after its client was told. */
  #giveUp(client: Client, what: string, statement: () => unknown, away: () => void, rows: readonly number[]): void {
    const arrive = (): void => {
      const lockedUntil = Math.max(0, ...rows.map((id) => this.twin.locks.get(id) ?? 0))
      if (lockedUntil > this.now) return this.after(lockedUntil - this.now, arrive)
      if (this.now < this.#downUntil) return
      const answer = statement()
      this.note(() => `${client.name}: ${what}: ${inShort(answer)}, too late`)
    }
    this.note(() => `${client.name}: ${what}: given up`)
    this.after(this.#latency(), () => client.alive && away())
    this.after(this.between(LATENCY_MS.to, LATE_MS), arrive)
  }

  /** The server falls, and with it what had not reached the disk. */
  fall(): void {
    db.restart(this.twin, this.now)
    this.#downUntil = this.now + this.between(DOWN_MS.from, DOWN_MS.to)
    this.twin.startedAt = this.#downUntil
    this.note(() => `the database falls, until ${this.#downUntil}`)
    for (const id of this.twin.jobs.keys()) this.examine(id)
  }

  #isCutOff(client: Client): boolean {
    return this.now < this.#downUntil || this.now < client.cutOffUntil
  }

  #latency(): number {
    return this.goesWrong(FAULTS.slow) ? this.between(LATENCY_MS.to, SLOW_MS) : this.between(LATENCY_MS.from, LATENCY_MS.to)
  }

  /** Holds a job to the invariants; asked after every write of it. */
  examine(id: number): void {
    const job = this.twin.jobs.get(id)!
    const log = this.twin.events.get(id)!
    const differences = differencesOf(job, replay(log, job))
    const held = job.status === 'claimed' || job.status === 'running'
    const waits = job.status === 'queued' || job.status === 'retried'
    const [isAlone, isBundled, leases] = [this.twin.places.has(id), db.bundleOf(this.twin, job) !== undefined, waits ? db.leasesOf(this.twin, job) : 0]
    const successes = log.filter((event) => event.event === 'SUCCEED').length
    const broken = [
      differences.length > 0 && `row and log differ: ${JSON.stringify(differences)}`,
      (job.attempt < 0 || job.attempt > job.max_attempts) && `attempt ${job.attempt} of ${job.max_attempts}`,
      held !== (job.locked_by !== null) && `${job.status}, held by ${job.locked_by}`,
      waits && !isAlone && !isBundled && leases === 0 && `${job.status}, in no lane and under no lease`,
      (leases > 1 || (leases === 1 && (isAlone || isBundled))) && 'given to two, or in a lane and given to one',
      !waits && isAlone && `${job.status}, and in a lane`,
      isAlone && isBundled && 'in a bundle and alone',
      (this.effects.get(id) ?? 0) > successes && `${this.effects.get(id)} effects of ${successes} successes`,
    ].filter(Boolean)
    if (broken.length > 0) throw new Violation(`job ${id}: ${broken.join('; ')}`)
  }
}

/** An answer in a line of the trace. */
function inShort(answer: unknown): string {
  if (answer instanceof Set) return `[${[...answer].join(' ')}]`
  if (!Array.isArray(answer)) return JSON.stringify(answer ?? 'ok')
  return `[${answer
    .map((row) =>
      typeof row === 'object'
        ? Object.entries(row as object)
            .filter(([name]) => SHOWN.has(name))
            .map(([name, value]) => `${name}=${String(value)}`)
            .join(' ')
        : String(row),
    )
    .join(', ')}]`
}
const SHOWN: ReadonlySet<string> = new Set(['id', 'version', 'attempt', 'locked_by', 'cancel_requested', 'due_in_ms'])

const isBefore = (one: Timer, other: Timer): boolean => one.at < other.at || (one.at === other.at && one.order < other.order)
