import { setTimeout as pause } from 'node:timers/promises'
import { isDatabaseAway } from '#db/errors.ts'
import type { Logger } from '#log.ts'
import { Refusal } from './failure.ts'
import { whenAborted } from './stop.ts'

/** Doubling, and spread over half its length, so that processes which were started together do not return as one. */
const REACH_PAUSE_MS = { first: 200, max: 5_000 }
/** How often the log says that the database is still waited for. */
const REMIND_MS = 30_000

/** How long a start waits, and what its pauses are drawn from: 0 to 1. */
export interface Patience {
  waitMs: number
  chance?: () => number
}

/**
 * Waits for a database that is away or is only coming up: a service may be started before it, or while it recovers. Null
 * where the program is to end meanwhile.
 *
 * @throws Refusal when `waitMs` is over: whoever keeps the process starts it again, and sees in its state that it did not come up
 */
export async function whenReachable<T>(open: () => Promise<T>, asked: AbortSignal, log: Logger, { waitMs, chance = Math.random }: Patience): Promise<T | null> {
  const began = performance.now()
  let saidAt = Number.NEGATIVE_INFINITY
  for (let full = REACH_PAUSE_MS.first; !asked.aborted; full = Math.min(full * 2, REACH_PAUSE_MS.max)) {
    try {
      const opened = await open()
      if (saidAt > 0) log.info({ waited_ms: Math.round(performance.now() - began) }, 'the database can be reached; starting')
      return opened
    } catch (error) {
      if (!isDatabaseAway(error)) throw error
      const waited = performance.now() - began
      if (waited >= waitMs) throw new Refusal(`The database could not be reached within ${waitMs / 1_000} s (DATABASE_WAIT_MS): ${messageOf(error)}`)
      if (waited - saidAt >= REMIND_MS) {
        const still = saidAt >= 0
        log.warn({ error: messageOf(error), waited_ms: Math.round(waited), wait_ms: waitMs }, `the database is ${still ? 'still ' : ''}away; waiting for it`)
        saidAt = waited
      }
      const ms = Math.min(full * (0.5 + chance() / 2), waitMs - waited)
      await Promise.race([pause(ms), whenAborted(asked)])
    }
  }
  return null
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
