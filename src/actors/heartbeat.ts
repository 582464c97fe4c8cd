import { monitorEventLoopDelay } from 'node:perf_hooks'
import { lockJob, recordMoves } from '#db/jobs.ts'
import { moveOf } from '#db/job-moves.ts'
import { heartbeat, jobsHeldBy } from '#db/workers.ts'
import { metrics } from '#metrics.ts'
import type { Engine } from './engine.ts'
import type { Service } from './service.ts'
import type { QueueSupervisor } from './supervisor.ts'

/** What the heartbeat tells and asks of the worker it beats for. */
export interface Heart {
  tree(): unknown
  supervisors(): readonly QueueSupervisor[]
  declaredLost(): void
}

/**
 * One row write every HEARTBEAT_MS says that the worker lives, whatever the number of its jobs. The same beat takes the
 * census: jobs whose cancel was asked for are interrupted, and a job that the table gives to this worker but that
 * nobody here hosts (its actor crashed) is lost on purpose, so that it runs again.
 */
export function heartbeatService(heart: Heart): Service {
  const delays = monitorEventLoopDelay({ resolution: 20 })
  delays.enable()
  let strays = new Set<number>()
  return {
    name: 'heartbeat',
    everyMs: (engine) => engine.config.HEARTBEAT_MS,
    async runOnce(engine, worker) {
      const lagMs = delays.percentile(99) / 1e6
      delays.reset()
      metrics.eventLoopLag.set(lagMs / 1_000)
      const lives = await heartbeat(engine.database.system, worker, { event_loop_lag_ms: Number.isFinite(lagMs) ? lagMs : 0, actor_tree: heart.tree() })
      if (!lives) return heart.declaredLost()
      strays = await takeCensus(engine, worker, heart.supervisors(), strays)
    },
  }
}

/** @returns the jobs that nobody hosts now; those that nobody hosted at the last census either were lost */
async function takeCensus(engine: Engine, worker: number, supervisors: readonly QueueSupervisor[], before: ReadonlySet<number>): Promise<Set<number>> {
  const strays = new Set<number>()
  for (const { id, cancel_requested } of await jobsHeldBy(engine.database.system, worker)) {
    const host = supervisors.find(({ crew }) => crew.holds(id))
    if (host && cancel_requested) host.crew.interrupt(id, 'CANCEL', 'cancel was asked for')
    if (host) continue
    if (before.has(id)) await loseStray(engine, worker, id)
    else strays.add(id)
  }
  return strays
}

async function loseStray(engine: Engine, worker: number, id: number): Promise<void> {
  const fault = { class: 'ActorLost', message: 'the worker lives, but its actor of this job is gone' }
  await engine.database.system.transaction(async (tx) => {
    const row = await lockJob(tx, id)
    if (row?.locked_by !== worker) return
    const move = moveOf(row, { type: 'LOSE', fault, backoff_ms: 0 }, { details: { error: fault } })
    if (move) await recordMoves(tx, [move])
  })
  engine.log.error({ job_id: id }, 'a job without an actor was lost on purpose')
}
