import { differencesOf, ReplayMismatch, replaySteps } from '#machines/replay.ts'
import type { Difference, Replayed } from '#machines/replay.ts'
import { findJob, listJobEvents } from './job-lists.ts'
import type { JobEventRow, JobRow } from './jobs.ts'
import type { CommonQueryMethods } from './pool.ts'

/** A longer log is not replayed: it would be held in memory whole. */
export const REPLAY_EVENTS_MAX = 100_000

/** A job's log, folded through the machine event by event. */
export interface JobReplay {
  job: JobRow
  /** Where the job stood after each event, as far as the log is a path of the machine. */
  steps: readonly (Replayed & Pick<JobEventRow, 'event' | 'at'>)[]
  /** Where the log leaves the machine; null where it does not. */
  mismatch: ReplayMismatch | null
  /** In what the row differs from the end of its log; null where the log was not folded to its end. */
  differences: readonly Difference[] | null
}

/** The job's log is longer than what is replayed at once. */
export class LogTooLongError extends Error {
  override name = 'LogTooLongError'
  readonly events: number

  constructor(events: number) {
    super(`the log has ${events} events, of which at most ${REPLAY_EVENTS_MAX} are replayed: ask for an earlier one`)
    this.events = events
  }
}

/**
 * Replays a job from its log, up to the event `upTo` where it is given. An event that is recorded meanwhile is left out:
 * the row that was read first says where the log ends.
 *
 * @returns null where the caller may see no job with this id
 * @throws LogTooLongError
 */
export async function replayJob(db: CommonQueryMethods, id: number, upTo?: number): Promise<JobReplay | null> {
  const job = await findJob(db, id)
  if (!job) return null
  const last = Math.min(upTo ?? job.version, job.version)
  if (last > REPLAY_EVENTS_MAX) throw new LogTooLongError(job.version)
  const events = (await listJobEvents(db, id, { after: 0, limit: last })).filter((event) => event.seq <= last)
  const steps: JobReplay['steps'][number][] = []
  let mismatch: ReplayMismatch | null = null
  try {
    for (const replayed of replaySteps(events, job)) steps.push({ ...replayed, event: events[replayed.seq - 1]!.event, at: events[replayed.seq - 1]!.at })
    if (steps.length < last) throw new ReplayMismatch(steps.length + 1, 'nothing', `the row has seen ${job.version} events`)
  } catch (error) {
    if (!(error instanceof ReplayMismatch)) throw error
    mismatch = error
  }
  const end = steps.at(-1)
  return { job, steps, mismatch, differences: last === job.version && end ? differencesOf(job, end) : null }
}
