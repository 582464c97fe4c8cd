import { monitorEventLoopDelay } from 'node:perf_hooks'
import { insertActorMoves } from '#db/actor-moves.ts'
import { endLeases, recordLeases } from '#db/job-leases.ts'
import { recordMoves } from '#db/job-records.ts'
import { lockJob } from '#db/jobs.ts'
import { moveOf } from '#db/job-moves.ts'
import { heartbeat, holdersOf, jobsHeldBy } from '#db/workers.ts'
import { metrics } from '#metrics.ts'
import type { Engine } from './engine.ts'
import { newestSerial } from './leases.ts'
import type { MoveLog } from './move-log.ts'
import type { Service } from './service.ts'
import type { Doubt, QueueSupervisor } from './supervisor.ts'

/** A statement whose connection was lost has come to its end after this time. */
const SETTLE_MS = 10_000
/** Moves of actors are written together, with every fifth beat: a row each ten seconds. */
const MOVES_EVERY_BEATS = 5

/** What the heartbeat tells and asks of the worker it beats for. */
export interface Heart {
  tree(): unknown
  supervisors(): readonly QueueSupervisor[]
  moves: MoveLog
  declaredLost(): void
  /** An operator wants it to drain; said with each beat from then on. */
  drainRequested(): void
}

/**
 * One row write every HEARTBEAT_MS says that the worker lives, whatever the number of its jobs. The same beat takes the
 * census: jobs whose cancel was asked for are interrupted, and a job that the table gives to this worker but that
 * nobody here hosts (its actor crashed) is lost on purpose, so that it runs again.
 */
export function heartbeatService(heart: Heart): Service {
  const delays = monitorEventLoopDelay({ resolution: 20 })
  delays.enable()
  let strays: ReadonlySet<number> = new Set()
  let beats = 0
  return {
    name: 'heartbeat',
    everyMs: (engine) => engine.config.HEARTBEAT_MS,
    async runOnce(engine, worker) {
      const lagMs = delays.percentile(99) / 1e6
      delays.reset()
      metrics.eventLoopLag.set(lagMs / 1_000)
      const heard = await heartbeat(engine.database.system, worker, { event_loop_lag_ms: Number.isFinite(lagMs) ? lagMs : 0, actor_tree: heart.tree() })
      if (!heard) return heart.declaredLost()
      if (heard.drain_requested) heart.drainRequested()
      await endOwnLeases(engine, worker, heart.supervisors())
      strays = await takeCensus(engine, worker, heart.supervisors(), strays)
      // Last: a table for pages that cannot be written holds up neither leases nor the census.
      if (++beats % MOVES_EVERY_BEATS === 0) await tellMoves(engine, worker, heart.moves)
    },
  }
}

/** Writes how the actors moved; what cannot be written now is written later. */
export async function tellMoves(engine: Engine, worker: number, log: MoveLog): Promise<void> {
  const moves = log.take()
  if (moves.length === 0) return
  try {
    await insertActorMoves(engine.database.system, worker, moves)
  } catch (error) {
    log.giveBack(moves)
    throw error
  }
}

/**
 * Compares what is hosted here with what the table says. A suspect that is ours and has no host is lost on purpose when
 * two censuses in a row say so; one that has a host stays a suspect until it is no longer ours, since the host may be
 * that of an earlier claim.
 *
 * @param before the suspects without a host of the last census
 * @returns those of this census
 */
async function takeCensus(engine: Engine, worker: number, supervisors: readonly QueueSupervisor[], before: ReadonlySet<number>): Promise<Set<number>> {
  await suspectAllHeld(engine, worker, supervisors)
  const known = new Set(supervisors.flatMap(({ suspects }) => [...suspects]))
  const asked = new Set([...supervisors.flatMap(({ crew }) => crew.claimedIds), ...known])
  const strays = new Set<number>()
  if (asked.size === 0) return strays
  const kept = new Set<number>()
  for (const job of await holdersOf(engine.database.system, [...asked])) {
    const ours = job.locked_by === worker
    const host = supervisors.find(({ crew }) => crew.holds(job.id))
    if (host && !ours) host.crew.lose(job.id, 'the table gives the job to somebody else')
    if (host && ours && job.cancel_requested) host.crew.interrupt(job.id, 'CANCEL', 'cancel was asked for')
    const stray = ours && !host && known.has(job.id)
    if (stray && before.has(job.id)) await loseStray(engine, worker, job.id)
    else if (ours) kept.add(job.id)
    if (stray) strays.add(job.id)
  }
  // Those that came while the table was asked are the next census's.
  for (const { suspects } of supervisors) for (const id of suspects) if (known.has(id) && !kept.has(id)) suspects.delete(id)
  return strays
}

/**
 * After a claim whose answer was lost: all that the table gives to this worker, asked at once, and again when the claim
 * has come to its end for sure, and as long as somebody has the row of a leased job locked. The supervisor keeps them, since
 * this census may fail yet.
 */
async function suspectAllHeld(engine: Engine, worker: number, supervisors: readonly QueueSupervisor[]): Promise<void> {
  const now = performance.now()
  const isOver = ({ since }: Doubt): boolean => now - since > SETTLE_MS
  const unsure = supervisors.flatMap((supervisor) => {
    const { doubt } = supervisor
    return doubt && (!doubt.asked || isOver(doubt)) ? [{ supervisor, doubt }] : []
  })
  if (unsure.length === 0) return
  const { left } = await recordLeases(engine.database.system, { worker, up_to: newestSerial(), except: supervisors.flatMap(({ crew }) => crew.leases.serials) })
  const held = await jobsHeldBy(engine.database.system, worker)
  for (const { supervisor, doubt } of unsure) {
    for (const id of held) supervisor.suspects.add(id)
    // Another answer may have been lost while the table was asked: that doubt stays.
    if (supervisor.doubt === doubt) supervisor.doubt = left ? { since: now, asked: true } : isOver(doubt) ? null : { ...doubt, asked: true }
  }
}

/** The rows of leases that have ended while no claim came that would have taken them along. */
export async function endOwnLeases(engine: Engine, worker: number, supervisors: readonly QueueSupervisor[]): Promise<void> {
  for (const { crew } of supervisors) {
    const ended = crew.leases.takeEnded()
    if (ended.length === 0) continue
    try {
      await endLeases(engine.database.system, worker, ended)
    } catch (error) {
      crew.leases.giveBack(ended)
      throw error
    }
  }
}

async function loseStray(engine: Engine, worker: number, id: number): Promise<void> {
  const fault = { class: 'ActorLost', message: 'the worker lives, but its actor of this job is gone' }
  await engine.database.system.transaction(async (tx) => {
    const row = await lockJob(tx, id)
    if (row?.locked_by !== worker) return
    const move = moveOf(row, { type: 'LOSE', fault, backoff_ms: 0 }, { details: { error: fault, backoff_ms: 0 } })
    if (move) await recordMoves(tx, [move])
  })
  engine.log.error({ job_id: id }, 'a job without an actor was lost on purpose')
}
