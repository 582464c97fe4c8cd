import { moveOf } from '#db/job-moves.ts'
import { SimWorker } from './sim-worker.ts'
import * as db from './twin.ts'
import { Violation, World } from './world.ts'

const JOBS = { from: 3, to: 9 }
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
  const workers = Array.from({ length: WORKERS }, (_, index) => new SimWorker(world, `worker-${index}`))
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
  return { seed, events: [...world.twin.events.values()].reduce((sum, log) => sum + log.length, 0), endedAt: world.now, trace: world.trace ?? [] }
}

function enqueue(world: World): void {
  const jobs = world.between(JOBS.from, JOBS.to)
  for (let job = 0; job < jobs; job += 1) {
    const wanted = {
      organization_id: TENANTS[Math.floor(world.chance() * TENANTS.length)]!,
      job_type: 'PROBE',
      queue: 'default',
      max_attempts: world.between(1, MAX_ATTEMPTS),
      payload: {},
      priority: world.between(-1, 1),
      delay_ms: world.happens(0.3) ? world.between(0, 5_000) : 0,
    }
    world.after(world.between(0, STORM_MS / 3), () => {
      const [id] = db.enqueueJobs(world.twin, [wanted], world.now)
      world.note(() => `ENQUEUE ${id}`)
    })
  }
}

/** One blow: a worker crashes, drains or is cut off; the server falls; an operator meddles. */
function strike(world: World, workers: SimWorker[]): void {
  const slot = Math.floor(world.chance() * workers.length)
  const worker = workers[slot]!
  const blow = Math.floor(world.chance() * 8)
  if (!worker.client.alive || blow === 0) {
    worker.crash()
    return world.after(world.between(100, 15_000), () => (workers[slot] = new SimWorker(world, `worker-${slot}'${world.now}`)))
  }
  if (blow === 1) worker.drain()
  if (blow === 2 || blow === 3) {
    worker.client.cutOffUntil = world.now + world.between(500, 20_000)
    world.note(() => `${worker.client.name} is cut off until ${worker.client.cutOffUntil}`)
  }
  if (blow === 4) world.fall()
  if (blow >= 5) operate(world, workers)
}

/** An operator's CANCEL or REQUEUE, as moveJob decides it. */
function operate(world: World, workers: readonly SimWorker[]): void {
  const ids = [...world.twin.jobs.keys()]
  const id = ids[Math.floor(world.chance() * ids.length)]
  if (id === undefined || (world.twin.locks.get(id) ?? 0) > world.now) return
  const row = db.standingRowOf(world.twin.jobs.get(id)!, world.now)
  const event = { type: ENDED.has(row.status) ? 'REQUEUE' : 'CANCEL' } as const
  world.note(() => `operator: ${event.type} ${id}`)
  if (event.type === 'CANCEL' && row.locked_by !== null) {
    db.requestCancel(world.twin, id, world.now)
    // NOTIFY reaches those that listen; the others learn of it by their census.
    for (const worker of workers) if (worker.client.alive && world.happens(0.7)) worker.crew.jobs.get(id)?.interrupt('CANCEL')
  } else {
    db.recordMoves(world.twin, [moveOf(row, event)!], world.now)
    for (const worker of workers) if (worker.client.alive && world.happens(0.7)) worker.crew.wake()
  }
  world.examine(id)
}

/** Faults stop, and whoever keeps the processes has started them again. A transaction that hangs may hang on. */
function becomeCalm(world: World, workers: SimWorker[]): void {
  world.stormy = false
  world.note(() => 'calm')
  for (const [slot, worker] of workers.entries()) {
    worker.client.cutOffUntil = 0
    if (!worker.client.alive || worker.isDraining) workers[slot] = new SimWorker(world, `worker-${slot}'calm`)
  }
}

function allEnded(world: World): boolean {
  for (const job of world.twin.jobs.values()) if (!ENDED.has(job.status)) return false
  return true
}
