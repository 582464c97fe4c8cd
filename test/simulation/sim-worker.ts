import { Lanes } from '#actors/lanes.ts'
import { Leases, newestSerial } from '#actors/leases.ts'
import { awayPauseMs } from '#actors/service.ts'
import { moveOf } from '#db/job-moves.ts'
import type { ClaimedRow } from '#db/job-claims.ts'
import type { Move } from '#db/job-records.ts'
import type { StandingRow } from '#db/jobs.ts'
import { backoffMs } from '#jobs/job-type.ts'
import { BACKOFF, recordFenced, SimJob, SimRecorder } from './sim-job.ts'
import type { Interruption } from './sim-job.ts'
import * as db from './twin.ts'
import { Violation } from './world.ts'
import type { Client, World } from './world.ts'

/** The worker's settings: those of src/config.ts, but for a smaller crew and a shorter drain. */
export const SETTINGS = { HEARTBEAT_MS: 2_000, LOST_MS: 8_000, RESCUE_MS: 2_000, POLL_MS: 1_000, DRAIN_MS: 3_000, SLOTS: 2, WINDOW: 3 }
/** A statement whose connection was lost has come to its end after this time. */
const SETTLE_MS = 10_000
const QUEUE = 'default'
/** A leased job that has not begun after this time is recorded as claimed. */
const LEASED_MS = 100
/** Jobs that wait for a slot are looked through this often. */
const REVIEW_MS = 1_000
const RESCUE_BATCH = 500
/** How often a claim meets others at the bundles that it wants. */
const CONTENDED = 0.1

/** The jobs of one worker and its claims, as src/actors/crew.ts and supervisor.ts keep them. */
export class SimCrew {
  readonly world: World
  readonly worker: SimWorker
  readonly recorder: SimRecorder
  readonly jobs = new Map<number, SimJob>()
  readonly suspects = new Set<number>()
  /** Since when claims are in doubt, and whether the table was asked since then. */
  doubt: { since: number; asked: boolean } | null = null
  closed = false
  readonly leases = new Leases()
  #lanes = new Lanes()
  #waiting: SimJob[] = []
  #running = 0
  #ended = 0
  #willReview = false
  #claiming = false
  #woken = false
  #away = 0

  constructor(worker: SimWorker) {
    this.world = worker.world
    this.worker = worker
    this.recorder = new SimRecorder(this)
  }

  get isClaiming(): boolean {
    return this.#claiming
  }

  /** Looks at the lanes where its knowledge is old, and claims what fits; then again, or after a while. */
  claim(renew: boolean): void {
    const { world, worker } = this
    if (this.closed || this.#claiming || worker.id === null) return
    if (this.#free() === 0) return
    this.#claiming = true
    this.#woken = false
    const away = (): void => {
      this.#claiming = false
      this.doubt = { since: world.now, asked: false }
      this.#away += 1
      this.#later(awayPauseMs(this.#away, world.chance()), () => this.claim(true))
    }
    if (!renew && !this.#lanes.isStale(world.now) && this.#lanes.hasDue(world.now)) return this.#claimFromLanes(away)
    const read = () => db.readyLanes(world.twin, QUEUE, world.now).filter((lane) => !lane.bundled || !worker.isOfBefore)
    world.ask(
      worker.client,
      'lanes',
      read,
      (rows) => {
        this.#lanes.renew(rows, world.now)
        this.#claimFromLanes(away)
      },
      away,
    )
  }

  #claimFromLanes(away: () => void): void {
    const { world, worker } = this
    const lanes = this.#lanes.plan(this.#free(), world.now)
    // Declared lost while the lanes were read: its supervisor is gone.
    if (lanes.length === 0 || worker.id === null) return this.#claimed([])
    const [serial, ended] = [this.leases.begin(), this.leases.takeEnded()]
    const claim = { queue: QUEUE, worker: worker.id, lanes, serial, ended }
    const statement = (): ClaimedRow[] => {
      if (world.goesWrong(CONTENDED)) this.#contend()
      const rows = db.leaseJobs(world.twin, claim, world.now)
      for (const { id } of rows) world.examine(id)
      for (const [index, { limit }] of lanes.entries()) {
        const count = rows.filter((row) => row.lane === index + 1).length
        if (count > limit) throw new Violation(`a claim gave ${count} jobs of a lane of which it was asked for ${limit}`)
      }
      return rows
    }
    world.ask(
      worker.client,
      `claim as ${worker.id}`,
      statement,
      (rows) => {
        this.leases.hold(serial, rows.length)
        this.#lanes.learn(lanes, rows)
        this.#claimed(rows.map((row) => new SimJob(row, serial, claim.worker, this)))
      },
      () => {
        this.leases.abandon(serial)
        this.leases.giveBack(ended)
        away()
      },
    )
  }

  /** Some bundles are another claim's at this moment, or it has shortened them a moment ago: they are passed over. */
  #contend(): void {
    const { twin, now } = this.world
    for (const id of twin.bundles.keys()) if (this.world.happens(0.5)) twin.bundleLocks.set(id, Math.max(now + 1, twin.bundleLocks.get(id) ?? 0))
  }

  #claimed(jobs: readonly SimJob[]): void {
    const { world } = this
    this.#claiming = false
    this.#away = 0
    for (const job of jobs) this.#take(job)
    if (this.closed) for (const job of jobs) job.interrupt(this.worker.isDraining ? 'RELEASE' : 'LEASE_LOST')
    this.#fillSlots()
    if (this.#waiting.length > 0) this.#later(LEASED_MS, () => this.#waiting.forEach((job) => job.claim()))
    if (this.#waiting.length > 0) this.#reviewLater()
    if (this.#woken || this.#lanes.hasDue(world.now)) return this.#later(1, () => this.claim(this.#woken))
    this.#later(Math.min(SETTINGS.POLL_MS, Math.max(5, this.#lanes.nextDueMs(world.now) ?? SETTINGS.POLL_MS)), () => this.claim(true))
  }

  #reviewLater(): void {
    if (this.#willReview) return
    this.#willReview = true
    const before = this.#ended
    this.#later(REVIEW_MS, () => this.#review(before))
  }

  /** Gives back what waits behind runs of which none has ended meanwhile. */
  #review(endedBefore: number): void {
    this.#willReview = false
    if (this.#waiting.length === 0) return
    if (this.#ended === endedBefore) this.#interruptWaiting('RELEASE')
    else this.#reviewLater()
  }

  #interruptWaiting(kind: Interruption): void {
    for (const job of this.#waiting.splice(0)) {
      job.interrupt(kind)
      this.#running += 1
      job.begin()
    }
  }

  wake(): void {
    this.#woken = true
    this.claim(true)
  }

  #take(job: SimJob): void {
    // Given to us although we have it: a fall of the server undid our first claim.
    this.jobs.get(job.job.id)?.interrupt('LEASE_LOST')
    this.jobs.set(job.job.id, job)
    this.#waiting.push(job)
  }

  #free(): number {
    return Math.max(0, SETTINGS.WINDOW - this.jobs.size)
  }

  #fillSlots(): void {
    while (this.#running < SETTINGS.SLOTS && this.#waiting.length > 0) {
      this.#running += 1
      this.#waiting.shift()!.begin()
    }
  }

  slotDone(hasRun: boolean): void {
    this.#running -= 1
    if (hasRun) this.#ended += 1
    this.#later(0, () => this.#fillSlots())
  }

  left(job: SimJob, recorded: boolean): void {
    if (job.claimed !== 'unknown') this.leases.jobLeft(job.lease)
    else {
      this.leases.abandon(job.lease)
      this.doubt = { since: this.world.now, asked: false }
    }
    if (!recorded) this.suspects.add(job.job.id)
    if (this.jobs.get(job.job.id) === job) this.jobs.delete(job.job.id)
    this.#later(15, () => this.claim(false))
  }

  /** Claims no more; those that have not begun are interrupted now, and need no slot for it. */
  close(kind: Interruption, everybody: boolean): void {
    this.closed = true
    this.#interruptWaiting(kind)
    if (everybody) for (const job of this.jobs.values()) job.interrupt(kind)
  }

  #later(ms: number, run: () => void): void {
    this.world.after(ms, () => this.worker.client.alive && run())
  }
}

/** One worker process: heartbeat with census, rescuer, claims, drain, as src/actors has them. */
export class SimWorker {
  readonly world: World
  readonly client: Client
  id: number | null = null
  isDraining = false
  /** Of the release before, which sees no bundles. */
  readonly isOfBefore: boolean
  crew: SimCrew
  /** Crews whose worker was declared lost; their last jobs are being broken off. */
  #leaving: SimCrew[] = []
  #strays: ReadonlySet<number> = new Set()

  constructor(world: World, name: string, { isOfBefore = false } = {}) {
    this.world = world
    this.isOfBefore = isOfBefore
    this.client = { name, alive: true, cutOffUntil: 0 }
    this.crew = new SimCrew(this)
    this.#register()
    this.#every(SETTINGS.RESCUE_MS, (next) => this.#rescue(next))
    this.#every(SETTINGS.HEARTBEAT_MS, (next) => this.#beat(next))
  }

  crash(): void {
    if (this.client.alive) this.world.note(() => `${this.client.name} crashes`)
    this.client.alive = false
  }

  drain(): void {
    const { id } = this
    if (this.isDraining || id === null) return
    this.isDraining = true
    this.world.note(() => `${this.client.name} drains`)
    this.#ask(
      'draining',
      () => db.setWorkerStatus(this.world.twin, id, 'draining', this.world.now),
      () => {},
    )
    this.crew.close('RELEASE', false)
    this.#later(SETTINGS.DRAIN_MS, () => this.crew.close('RELEASE', true))
    this.#waitForEmpty(id)
  }

  #waitForEmpty(id: number): void {
    if (this.crew.jobs.size > 0 || this.crew.isClaiming || !this.crew.recorder.isIdle) return this.#later(50, () => this.#waitForEmpty(id))
    const stop = (): void => this.crash()
    this.#ask('stopped', () => db.setWorkerStatus(this.world.twin, id, 'stopped', this.world.now), stop, stop)
  }

  #register(): void {
    const again = (): void => this.#later(this.world.between(200, 3_000), () => this.#register())
    this.#ask(
      'register',
      () => db.registerWorker(this.world.twin, this.world.now),
      (id) => {
        this.id = id
        this.crew.claim(true)
      },
      again,
    )
  }

  /** The others took it for dead: what runs here is broken off, and it begins anew. */
  #abandon(): void {
    this.world.note(() => `${this.client.name} was declared lost`)
    this.id = null
    this.crew.close('LEASE_LOST', true)
    this.#leaving.push(this.crew)
    this.crew = new SimCrew(this)
    this.#strays = new Set()
    this.#register()
  }

  #beat(next: () => void): void {
    const { id } = this
    if (id === null) return next()
    this.#ask(
      'heartbeat',
      () => db.heartbeat(this.world.twin, id, this.world.now),
      (lives) => {
        if (id === this.id && lives) return this.#endLeases(id, next)
        // A worker that drains goes on draining: what it still writes is refused.
        if (id === this.id && !this.isDraining) this.#abandon()
        next()
      },
      next,
    )
  }

  #endLeases(id: number, next: () => void): void {
    const ended = this.crew.leases.takeEnded()
    if (ended.length === 0) return this.#askHeld(id, next)
    const away = (): void => {
      this.crew.leases.giveBack(ended)
      next()
    }
    this.#ask(
      'end leases',
      () => db.removeLeases(this.world.twin, id, ended),
      () => this.#askHeld(id, next),
      away,
    )
  }

  /** Where a claim's answer was lost, the census asks for all that is ours. */
  #askHeld(id: number, next: () => void): void {
    const crews = [this.crew, ...this.#leaving]
    const { now, twin } = this.world
    const isOver = (since: number): boolean => now - since > SETTLE_MS
    const unsure = crews.flatMap((crew) => (crew.doubt && (!crew.doubt.asked || isOver(crew.doubt.since)) ? [{ crew, doubt: crew.doubt }] : []))
    if (unsure.length === 0) return this.#census(id, crews, next)
    const unknown = { worker: id, up_to: newestSerial(), except: crews.flatMap(({ leases }) => leases.serials) }
    this.#ask(
      'held',
      () => {
        const { left } = db.recordLeases(twin, unknown, this.world.now)
        return { left, held: db.jobsHeldBy(twin, id) }
      },
      ({ left, held }) => {
        for (const { crew, doubt } of unsure) {
          if (twin.weakness !== 'suspects forgotten') for (const job of held) crew.suspects.add(job)
          const ended = isOver(doubt.since) || twin.weakness === 'asked once'
          if (crew.doubt === doubt) crew.doubt = left ? { since: now, asked: true } : ended ? null : { ...doubt, asked: true }
        }
        this.#census(id, crews, next)
      },
      next,
    )
  }

  #census(id: number, crews: readonly SimCrew[], next: () => void): void {
    const known = new Set(crews.flatMap((crew) => [...crew.suspects]))
    const before = this.#strays
    const asked = new Set([...crews.flatMap((crew) => [...crew.jobs.values()].filter((job) => job.claimed === 'recorded').map((job) => job.job.id)), ...known])
    if (asked.size === 0) return next()
    this.#ask(
      'census',
      () => db.holdersOf(this.world.twin, [...asked]),
      (rows) => this.#compare(id, crews, known, before, rows, next),
      next,
    )
  }

  #compare(
    id: number,
    crews: readonly SimCrew[],
    known: ReadonlySet<number>,
    before: ReadonlySet<number>,
    rows: ReturnType<typeof db.holdersOf>,
    next: () => void,
  ): void {
    const strays = new Set<number>()
    const kept = new Set<number>()
    for (const row of rows) {
      const ours = row.locked_by === id
      const host = crews.find((crew) => crew.jobs.has(row.id))
      if (host && !ours && host.jobs.get(row.id)!.claimed === 'recorded') host.jobs.get(row.id)!.interrupt('LEASE_LOST')
      if (host && ours && row.cancel_requested) host.jobs.get(row.id)!.interrupt('CANCEL')
      const stray = ours && !host && known.has(row.id)
      if (stray) strays.add(row.id)
      if (ours && !(stray && before.has(row.id))) kept.add(row.id)
    }
    this.#loseStrays(
      id,
      [...strays].filter((stray) => before.has(stray)),
      next,
      () => {
        const isSettled = (suspect: number): boolean => known.has(suspect) && !kept.has(suspect)
        for (const { suspects } of crews) for (const suspect of suspects) if (isSettled(suspect)) suspects.delete(suspect)
        this.#strays = strays
        next()
      },
    )
  }

  /** One after another; where the database is away meanwhile, the census ends there and comes again. */
  #loseStrays(worker: number, [id, ...others]: readonly number[], away: () => void, then: () => void): void {
    if (id === undefined) return then()
    const fault = { class: 'ActorLost', message: 'the worker lives, but its actor of this job is gone' }
    const statement = (): void => {
      const row = db.standingRowOf(this.world.twin.jobs.get(id)!, this.world.now)
      if (row.locked_by !== worker) return
      this.#record([moveOf(row, { type: 'LOSE', fault, backoff_ms: 0 }, { details: { error: fault } })!])
    }
    this.#ask(`lose stray ${id}`, statement, () => this.#loseStrays(worker, others, away, then), away, [id])
  }

  #rescue(next: () => void): void {
    const { twin } = this.world
    this.#ask(
      'declare lost',
      () => db.declareLostWorkers(twin, SETTINGS.LOST_MS, this.world.now),
      () =>
        this.#ask(
          'unrescued',
          () => db.hasUnrescuedWorkers(twin),
          (any) => (any ? this.#rescueBatch(next) : next()),
          next,
        ),
      next,
    )
  }

  #rescueBatch(next: () => void): void {
    const { world } = this
    const statement = (): number => {
      db.recordLeases(world.twin, 'ended', world.now)
      const moves = db.orphanedJobs(world.twin, RESCUE_BATCH, world.now).map((row) => this.#rescueOf(row))
      this.#record(moves)
      return moves.length
    }
    this.#ask('rescue', statement, () => this.#ask('close rescues', () => db.closeRescues(world.twin, SETTLE_MS, world.now), next, next), next)
  }

  #rescueOf(row: StandingRow): Move {
    if (row.cancel_requested_at) return moveOf(row, { type: 'CANCEL' }, { details: { reason: 'its worker is gone' } })!
    const fault = { class: 'WorkerLost', message: `worker ${row.locked_by} is gone` }
    return moveOf(row, { type: 'LOSE', fault, backoff_ms: backoffMs(BACKOFF, row.attempt, this.world.chance()) }, { details: { error: fault } })!
  }

  #record(moves: readonly Move[]): void {
    recordFenced(this.crew, moves)
  }

  #every(ms: number, run: (next: () => void) => void): void {
    const turn = (): void => run(() => this.#later(ms, turn))
    this.#later(this.world.between(0, ms), turn)
  }

  #later(ms: number, run: () => void): void {
    this.world.after(ms, () => this.client.alive && run())
  }

  #ask<Answer>(what: string, statement: () => Answer, then: (answer: Answer) => void, away: () => void = () => {}, rows: readonly number[] = []): void {
    this.world.ask(this.client, what, statement, then, away, rows)
  }
}
