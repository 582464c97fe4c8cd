import { setTimeout as pause } from 'node:timers/promises'
import { isDatabaseAway } from '#db/errors.ts'
import type { Logger } from '#log.ts'
import { whenAborted } from './stop.ts'

const REACH_PAUSE_MS = { first: 200, max: 5_000 }

/** Waits for a database that is away: a service may be started before it. Null where the program is to end meanwhile. */
export async function whenReachable<T>(open: () => Promise<T>, asked: AbortSignal, log: Logger): Promise<T | null> {
  for (let wait = REACH_PAUSE_MS.first; !asked.aborted; wait = Math.min(wait * 2, REACH_PAUSE_MS.max)) {
    try {
      return await open()
    } catch (error) {
      if (!isDatabaseAway(error)) throw error
      if (wait === REACH_PAUSE_MS.first) log.warn({ error: String(error) }, 'the database is away; waiting for it')
      await Promise.race([pause(wait), whenAborted(asked)])
    }
  }
  return null
}
