import type { NewJob } from '#db/job-enqueue.ts'
import { moveOf } from '#db/job-moves.ts'
import type { Move } from '#db/job-records.ts'
import { SimWorker } from './sim-worker.ts'
import * as db from './twin.ts'
import { Violation, World } from './world.ts'

const JOBS = { from: 2, to: 7 }
/** Calls that bring enough jobs at once to stand in bundles, how many each, and of how many kinds. */
const BURSTS = { calls: 2, from: 3, to: 11, kinds: 2 }
/** Workers and operators' processes of the release before, which know no bundles. */
const OF_BEFORE = 0.15
/** An operator's transaction that hangs: it keeps the jobs, and mostly their bundles, from everybody else. */
const HANGS = { share: 0.3, from: 1_000, to: 50_000 }
/** How often an operator looks for jobs that wait, given to a worker or not. */
const WAITING = 0.5
const BULK = { from: 2, to: 5 }
const WORKERS = 3
const STORM_MS = 30_000
/** When faults stop, every job has ended within this time: rescue, back-off and run of each attempt that is left, and no more. */
const CALM_MS = 120_000
const MAX_ATTEMPTS = 3
const TENANTS = [null, '11111111-1111-1111-1111-111111111111', '22222222-2222-2222-2222-222222222222']
const ENDED: ReadonlySet<string> = new Set(['done', 'failed', 'cancelled'])

/** What a seed came to. */
export interface Simulated {
  seed: number
  events: number
  endedAt: number
  fates: db.BundleFates
  trace: readonly string[]
}

/**
 * Runs the engine's decisions against the twin of its database, through a storm of faults and into calm.
 *
 * @throws Violation where an invariant does not hold
 */
export function simulate(seed: number, options: { traced?: boolean; trace?: (trace: readonly string[]) => void; weakness?: db.Weakness } = {}): Simulated {
  const world = new World(seed, options)
  world.twin.weakness = options.weakness ?? null
  if (world.trace) options.trace?.(world.trace)
  const workers = Array.from({ length: WORKERS }, (_, index) => startWorker(world, `worker-${index}`))
  enqueue(world)
  for (let at = world.between(0, 2_000); at < STORM_MS; at += world.between(200, 4_000)) world.after(at, () => strike(world, workers))
  world.runUntil(STORM_MS)
  becomeCalm(world, workers)
  world.runUntil(STORM_MS + CALM_MS, () => world.now > STORM_MS && allEnded(world))
  const left = [...world.twin.jobs.values()].filter((job) => !ENDED.has(job.status))
  if (left.length > 0)
    throw new Violation(
      `${CALM_MS / 1_000} s after the last fault: ${left.map((job) => `job ${job.id} is ${job.status}, held by ${job.locked_by}`).join('; ')}`,
    )
  for (const id of world.twin.jobs.keys()) world.examine(id)
  return {
    seed,
    events: [...world.twin.events.values()].reduce((sum, log) => sum + log.length, 0),
    endedAt: world.now,
    fates: world.twin.fates,
    trace: world.trace ?? [],
  }
}

const startWorker = (world: World, name: string): SimWorker => new SimWorker(world, name, { isOfBefore: world.happens(OF_BEFORE) })

function enqueue(world: World): void {
  const alone = Array.from({ length: world.between(JOBS.from, JOBS.to) }, () => [newJob(world, newKind(world))])
  const bursts = Array.from({ length: world.between(0, BURSTS.calls) }, () => {
    const kinds = Array.from({ length: world.between(1, BURSTS.kinds) }, () => newKind(world))
    return Array.from({ length: world.between(BURSTS.from, BURSTS.to) }, () => newJob(world, oneOf(world, kinds)))
  })
  for (const wanted of [...alone, ...bursts]) {
    world.after(world.between(0, STORM_MS / 3), () => {
      const ids = db.enqueueJobs(world.twin, wanted, world.now)
      world.note(() => `ENQUEUE ${ids.join(' ')}`)
    })
  }
}

const oneOf = <T>(world: World, things: readonly T[]): T => things[Math.floor(world.chance() * things.length)]!

/** What jobs of one lane have in common. */
const newKind = (world: World) => ({
  organization_id: oneOf(world, TENANTS),
  priority: world.between(-1, 1),
  delay_ms: world.happens(0.3) ? world.between(0, 5_000) : 0,
})

const newJob = (world: World, kind: ReturnType<typeof newKind>): NewJob => ({
  ...kind,
  job_type: 'PROBE',
  queue: 'default',
  max_attempts: world.between(1, MAX_ATTEMPTS),
  payload: {},
})

/** One blow: a worker crashes, drains or is cut off; the server falls; an operator meddles. */
function strike(world: World, workers: SimWorker[]): void {
  const slot = Math.floor(world.chance() * workers.length)
  const worker = workers[slot]!
  const blow = Math.floor(world.chance() * 8)
  if (!worker.client.alive || blow === 0) {
    worker.crash()
    return world.after(world.between(100, 15_000), () => (workers[slot] = startWorker(world, `worker-${slot}'${world.now}`)))
  }
  if (blow === 1) worker.drain()
  if (blow === 2 || blow === 3) {
    worker.client.cutOffUntil = world.now + world.between(500, 20_000)
    world.note(() => `${worker.client.name} is cut off until ${worker.client.cutOffUntil}`)
  }
  if (blow === 4) world.fall()
  if (blow >= 5) operate(world, workers)
}

/** An operator's CANCEL or REQUEUE of one job or several, as moveJob and moveJobs decide them, or a new time for a waiting one. */
function operate(world: World, workers: readonly SimWorker[]): void {
  const { twin, now } = world
  const jobs = [...twin.jobs.values()]
  if (jobs.length === 0) return
  const waiting = jobs.filter(({ status }) => status === 'queued' || status === 'retried')
  const count = world.happens(0.3) ? world.between(BULK.from, BULK.to) : 1
  const chosen = [...new Set(Array.from({ length: count }, () => oneOf(world, waiting.length > 0 && world.happens(WAITING) ? waiting : jobs).id))].filter(
    (id) => !isLocked(world, id),
  )
  if (world.happens(0.2)) return chosen.forEach((id) => putOff(world, workers, id))
  if (world.happens(0.1)) return chosen.forEach((id) => changePriority(world, id))
  if (!world.goesWrong(HANGS.share)) return move(world, workers, chosen)
  const until = now + world.between(HANGS.from, HANGS.to)
  for (const id of chosen) {
    twin.locks.set(id, until)
    const bundle = db.bundleOf(twin, twin.jobs.get(id)!)
    // Its lock comes after the job's: between the two a claim may take the bundle.
    if (bundle && world.happens(0.7)) twin.bundleLocks.set(bundle.last_id, until)
  }
  world.note(() => `operator: a transaction over ${chosen.join(' ')} hangs until ${until}`)
  world.after(until - now, () => {
    // A fall of the server has ended it otherwise.
    const held = chosen.filter((id) => twin.locks.get(id) === until)
    for (const id of held) twin.locks.delete(id)
    if (world.happens(0.5)) move(world, workers, held)
  })
}

const isLocked = ({ twin, now }: World, id: number): boolean => (twin.locks.get(id) ?? 0) > now

function move(world: World, workers: readonly SimWorker[], ids: readonly number[]): void {
  const rows = ids.map((id) => db.standingRowOf(world.twin.jobs.get(id)!, world.now))
  const moves: Move[] = []
  for (const row of rows) {
    const event = { type: ENDED.has(row.status) ? 'REQUEUE' : 'CANCEL' } as const
    world.note(() => `operator: ${event.type} ${row.id}`)
    if (event.type === 'REQUEUE' || row.locked_by === null) moves.push(moveOf(row, event)!)
    else {
      db.requestCancel(world.twin, row.id, world.now)
      // NOTIFY reaches those that listen; the others learn of it by their census.
      for (const worker of workers) if (worker.client.alive && world.happens(0.7)) worker.crew.jobs.get(row.id)?.interrupt('CANCEL')
    }
  }
  if (moves.length > 0) {
    db.recordMoves(world.twin, moves, world.now, world.stormy && world.happens(OF_BEFORE) ? 'before' : 'present')
    for (const worker of workers) if (worker.client.alive && world.happens(0.7)) worker.crew.wake()
  }
  for (const id of ids) world.examine(id)
}

/** By SQL; its worker is not told. */
function changePriority(world: World, id: number): void {
  const priority = world.between(-1, 1)
  db.changePriority(world.twin, id, priority)
  world.note(() => `a hand: priority ${priority} of ${id}`)
  world.examine(id)
}

function putOff(world: World, workers: readonly SimWorker[], id: number): void {
  const isDone = db.rescheduleJob(world.twin, id, world.now + world.between(-2_000, 5_000), world.now)
  world.note(() => `operator: puts ${id} off: ${isDone}`)
  if (isDone) for (const worker of workers) if (worker.client.alive && world.happens(0.7)) worker.crew.wake()
  world.examine(id)
}

/** Faults stop, and whoever keeps the processes has started them again. A transaction that hangs may hang on. */
function becomeCalm(world: World, workers: SimWorker[]): void {
  world.stormy = false
  world.note(() => 'calm')
  for (const [slot, worker] of workers.entries()) {
    worker.client.cutOffUntil = 0
    if (worker.isOfBefore) worker.drain()
    if (!worker.client.alive || worker.isDraining || worker.isOfBefore) workers[slot] = new SimWorker(world, `worker-${slot}'calm`)
  }
}

function allEnded(world: World): boolean {
  for (const job of world.twin.jobs.values()) if (!ENDED.has(job.status)) return false
  return true
}
