import { moveOf } from '#db/job-moves.ts'
import { recordLeases } from '#db/job-leases.ts'
import { recordMoves } from '#db/job-records.ts'
import { orphanedJobs } from '#db/jobs.ts'
import type { Move } from '#db/job-records.ts'
import type { StandingRow } from '#db/jobs.ts'
import { closeRescues, declareLostWorkers, endTransactionsOfLost, hasUnrescuedWorkers } from '#db/workers.ts'
import { backoffMs, DEFAULT_BACKOFF } from '#jobs/job-type.ts'
import { metrics } from '#metrics.ts'
import type { Engine } from './engine.ts'
import { countTransitions } from './recorder.ts'
import type { Service } from './service.ts'

/** Jobs that one rescue transaction takes at most. */
const BATCH_MAX = 500
/** A claim that was under way when its worker was declared lost has come to its end after this time. */
const SETTLE_MS = 10_000

/**
 * Takes back the jobs of workers whose heartbeat has stopped. Every worker runs one; the rows' locks keep them apart.
 * A worker is dead WORKER_LOST_MS after its last beat, so its jobs are back within that plus RESCUE_MS: 10 s by default.
 */
export const rescuerService: Service = {
  name: 'rescuer',
  everyMs: (engine) => engine.config.RESCUE_MS,
  async runOnce(engine) {
    const lost = await declareLostWorkers(engine.database.system, engine.config.WORKER_LOST_MS)
    if (lost.length > 0) engine.log.warn({ workers: lost }, 'workers declared lost: their heartbeat has stopped')
    if (!(await hasUnrescuedWorkers(engine.database.system))) return
    const ended = await endTransactionsOfLost(engine.database.system)
    if (ended > 0) engine.log.warn({ transactions: ended }, 'transactions of lost workers ended: they kept what they had locked')
    while ((await recordLeases(engine.database.system, 'ended')).looked > 0 && (await rescueBatch(engine)) > 0);
    while ((await rescueBatch(engine)) === BATCH_MAX);
    await closeRescues(engine.database.system, SETTLE_MS)
  },
}

async function rescueBatch(engine: Engine): Promise<number> {
  const moves = await engine.database.system.transaction(async (tx) => {
    const rows = await orphanedJobs(tx, BATCH_MAX)
    const decided = rows.flatMap((row) => rescueOf(row, engine) ?? [])
    await recordMoves(tx, decided)
    return decided.map((move) => ({ ...move, job_type: rows.find((row) => row.id === move.id)!.job_type }))
  })
  for (const move of moves) countTransitions(move)
  metrics.rescued.inc(moves.length)
  if (moves.length > 0) engine.log.warn({ jobs: moves.length }, 'jobs rescued from lost workers')
  return moves.length
}

/** LOSE, or CANCEL where that was asked for and the holder died over it. Pure but for chance. */
function rescueOf(row: StandingRow, engine: Engine): Move | null {
  if (row.cancel_requested_at) return moveOf(row, { type: 'CANCEL' }, { details: { reason: 'cancel was asked for, and its worker is gone' } })
  const fault = { class: 'WorkerLost', message: `worker ${row.locked_by} is gone: its heartbeat has stopped` }
  const policy = engine.jobTypes.get(row.job_type)?.backoff ?? DEFAULT_BACKOFF
  const backoff_ms = backoffMs(policy, row.attempt, engine.chance())
  return moveOf(row, { type: 'LOSE', fault, backoff_ms }, { details: { error: fault, backoff_ms } })
}
