import type { JobEvent } from '#machines/job.ts'
import { eventsIn, nextJob } from '#machines/job-step.ts'
import type { JobStanding } from '#machines/job-step.ts'
import { recordMoves } from './job-records.ts'
import { countWhenCommitted } from './transition-counts.ts'
import { holderOfKey, lockJob, requestCancel, standingOf } from './jobs.ts'
import type { Move } from './job-records.ts'
import type { StandingRow } from './jobs.ts'
import type { DatabaseTransactionConnection } from './pool.ts'

/** What came of a wish to move a job. */
export type MoveAnswer =
  | { kind: 'moved'; standing: JobStanding }
  /** A worker holds the job: it was asked to abort the handler, and will record CANCEL itself. */
  | { kind: 'requested' }
  | { kind: 'refused'; state: string; allowed_events: string[] }
  /** A live job has the unique key of the one that is to be queued again. */
  | { kind: 'key_taken'; state: string; holder: number }
  | { kind: 'unknown' }

/** The move that `event` makes of a locked row, or null where the machine refuses it. Pure. */
export function moveOf(row: StandingRow, event: JobEvent, extra: { details?: unknown; result?: unknown } = {}): Move | null {
  const before = standingOf(row)
  const standing = nextJob(before, event)
  if (!standing) return null
  return {
    id: row.id,
    version: row.version,
    standing,
    transitions: [
      {
        event: event.type,
        from: before.state,
        to: standing.state,
        attempt: standing.context.attempt,
        // The log names who held the job when it happened, also where the event takes it away.
        worker: standing.context.worker ?? row.locked_by,
        details: extra.details,
      },
    ],
    result: extra.result,
  }
}

/**
 * An operator's CANCEL or REQUEUE, in the caller's transaction: decided by the machine on the locked row, then recorded.
 * A job that a worker holds is not torn away: the cancel is asked for, and the worker aborts the handler first.
 */
export async function moveJob(tx: DatabaseTransactionConnection, id: number, event: { type: 'CANCEL' | 'REQUEUE' }, details?: unknown): Promise<MoveAnswer> {
  const row = await lockJob(tx, id)
  if (!row) return { kind: 'unknown' }
  const move = moveOf(row, event, { details })
  if (!move) return { kind: 'refused', state: row.status, allowed_events: eventsIn(row.status) }
  if (event.type === 'CANCEL' && row.locked_by !== null) {
    await requestCancel(tx, id)
    return { kind: 'requested' }
  }
  const holder = event.type === 'REQUEUE' ? await holderOfKey(tx, id) : null
  if (holder !== null) return { kind: 'key_taken', state: row.status, holder }
  await recordMoves(tx, [move])
  countWhenCommitted(
    tx,
    move.transitions.map(({ event, from, to }) => ({ job_type: row.job_type, event, from, to })),
  )
  return { kind: 'moved', standing: move.standing }
}
