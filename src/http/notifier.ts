import { setTimeout as pause } from 'node:timers/promises'
import type { WakeAtCommit } from '#db/job-enqueue.ts'
import { notifyWorkers } from '#db/jobs.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import type { Logger } from '#log.ts'

/** NOTIFY takes a lock of the whole cluster at commit, so a burst of tickets must not mean a burst of notifications. */
const INTERVAL_MS = 10
/** A notification carries 8,000 bytes at most. */
const CANCELS_MAX = 200

/**
 * What a transaction that enqueues may tell the workers. While nothing was told for an interval its own commit tells them,
 * which starts the job a statement and its answer earlier. Such commits wait for one another in the whole cluster until they
 * are on the disk, so a process has one under way at a time; what comes beside it is told after its commit, together.
 */
export interface Wake extends Disposable {
  atCommit: WakeAtCommit
  /** After the commit: tells of those queues of which the commit did not. */
  notify(...queues: string[]): void
}

/** Tells the workers in which queues there is something new: at once, then at most once an interval. */
export interface Notifier {
  /** To be disposed of when the transaction is over. */
  wake(): Wake
  notify(...queues: string[]): void
  /** Tells the workers that hold these jobs to abort them; without it they find out at their next heartbeat. */
  cancel(...jobs: number[]): void
  /** Resolves when everything was told. */
  idle(): Promise<void>
}

/** A notification that fails is only noted: the workers poll as well. */
export function startNotifier(db: CommonQueryMethods, log: Logger): Notifier {
  const waiting = new Set<string>()
  const cancelled = new Set<number>()
  let telling: Promise<void> | null = null
  let isCommitting = false
  let committedAt = Number.NEGATIVE_INFINITY

  async function tell(): Promise<void> {
    while (waiting.size + cancelled.size > 0) {
      const queues = [...waiting].toSorted()
      const cancel = [...cancelled].slice(0, CANCELS_MAX)
      waiting.clear()
      for (const id of cancel) cancelled.delete(id)
      await notifyWorkers(db, JSON.stringify(cancel.length > 0 ? { queues, cancel } : { queues })).catch((error: unknown) =>
        log.warn({ err: error, queues }, 'could not wake the workers: they will poll'),
      )
      await pause(INTERVAL_MS)
    }
    telling = null
  }

  function notify(...queues: string[]): void {
    for (const queue of queues) waiting.add(queue)
    if (waiting.size > 0) telling ??= tell()
  }

  function wake(): Wake {
    let told: readonly string[] | null = null
    return {
      atCommit: (queues) => {
        // A transaction that is tried again asks again.
        if (told === null && (telling !== null || isCommitting || performance.now() - committedAt < INTERVAL_MS)) return null
        isCommitting = true
        told = queues
        return JSON.stringify({ queues })
      },
      notify: (...queues) => notify(...queues.filter((queue) => told?.includes(queue) !== true)),
      [Symbol.dispose]: () => {
        if (told === null) return
        isCommitting = false
        committedAt = performance.now()
      },
    }
  }

  return {
    wake,
    notify,
    cancel: (...jobs) => {
      for (const id of jobs) cancelled.add(id)
      if (cancelled.size > 0) telling ??= tell()
    },
    idle: async () => {
      await telling
    },
  }
}
