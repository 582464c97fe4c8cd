import { doomedDependents, dropDependencies, unresolvedEnds } from '#db/job-dependencies.ts'
import { moveOf } from '#db/job-moves.ts'
import { resolveDependents } from '#db/job-dependencies.ts'
import { recordMoves } from '#db/job-records.ts'
import { lockJob } from '#db/jobs.ts'
import type { Engine } from './engine.ts'
import { countTransitions } from './recorder.ts'
import type { Service } from './service.ts'

const EVERY_MS = 1_000
const BATCH_MAX = 500

/**
 * Sees to jobs that wait for others. Usually the recording of an end lets them go on at once; this service cancels those
 * that must not run any more, and finds what a crash in between has left.
 */
export const resolverService: Service = {
  name: 'resolver',
  everyMs: () => EVERY_MS,
  async runOnce(engine) {
    const { system } = engine.database
    for (;;) {
      const doomed = await doomedDependents(system, BATCH_MAX)
      for (const { id, failed } of doomed) await cancelDoomed(engine, id, failed)
      const ended = await unresolvedEnds(system, BATCH_MAX)
      if (ended.length > 0) await resolveDependents(system, ended)
      if (doomed.length < BATCH_MAX && ended.length < BATCH_MAX) return
    }
  },
}

/** CANCEL, because what the job waits for has failed; a job that has ended already only stops waiting. */
async function cancelDoomed(engine: Engine, id: number, failed: readonly number[]): Promise<void> {
  const cancelled = await engine.database.system.transaction(async (tx) => {
    const row = await lockJob(tx, id)
    const details = { reason: 'a job that it waits for has failed or was cancelled', job_ids: failed }
    const move = row && row.locked_by === null ? moveOf(row, { type: 'CANCEL' }, { details }) : null
    if (move) await recordMoves(tx, [move])
    await dropDependencies(tx, id)
    return move && { ...move, job_type: row!.job_type }
  })
  if (cancelled) countTransitions(cancelled)
}
