import { setTimeout as pause } from 'node:timers/promises'
import { notifyWorkers } from '#db/jobs.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import type { Logger } from '#log.ts'

/** NOTIFY takes a lock of the whole cluster at commit, so a burst of tickets must not mean a burst of notifications. */
const INTERVAL_MS = 10

/** Tells the workers in which queues there is something new: at once, then at most once an interval. */
export interface Notifier {
  notify(...queues: string[]): void
  /** Resolves when everything was told. */
  idle(): Promise<void>
}

/** A notification that fails is only noted: the workers poll as well. */
export function startNotifier(db: CommonQueryMethods, log: Logger): Notifier {
  const waiting = new Set<string>()
  let telling: Promise<void> | null = null

  async function tell(): Promise<void> {
    while (waiting.size > 0) {
      const queues = [...waiting].toSorted()
      waiting.clear()
      await notifyWorkers(db, JSON.stringify({ queues })).catch((error: unknown) =>
        log.warn({ err: error, queues }, 'could not wake the workers: they will poll'),
      )
      await pause(INTERVAL_MS)
    }
    telling = null
  }

  return {
    notify: (...queues) => {
      for (const queue of queues) waiting.add(queue)
      if (waiting.size > 0) telling ??= tell()
    },
    idle: async () => {
      await telling
    },
  }
}
