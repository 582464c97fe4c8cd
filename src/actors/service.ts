import { setTimeout as pause } from 'node:timers/promises'
import { fromPromise } from 'xstate'
import { isDatabaseAway, isSchemaBehind } from '#db/errors.ts'
import type { Engine } from './engine.ts'

/** Pauses between tries while the database is away: from, to, in milliseconds; jittered so that workers do not return as one. */
const AWAY_BACKOFF_MS = { from: 200, to: 3_000 } as const

/** A background service: does one small thing again and again until it is stopped. */
export interface Service {
  name: string
  everyMs(engine: Engine): number
  runOnce(engine: Engine, worker: number): Promise<void>
}

/**
 * A service as an actor. A database that is away is waited for; anything else is a crash, which the worker, its
 * supervisor, answers by its restart budget.
 */
export function serviceActor(service: Service) {
  return fromPromise<void, { engine: Engine; worker: number }>(async ({ input: { engine, worker }, signal }) => {
    let away = 0
    while (!signal.aborted) {
      try {
        await service.runOnce(engine, worker)
        if (away > 0) engine.log.info({ service: service.name }, 'the database is back')
        away = 0
      } catch (error) {
        if (!isAwayForNow(error)) throw error
        if (away === 0) engine.log.warn({ service: service.name, error: String(error) }, 'the database is away; waiting for it')
        away += 1
      }
      await sleep(away > 0 ? awayPauseMs(away, engine.chance()) : service.everyMs(engine), signal)
    }
  })
}

/** Away, or taken back to a schema without a job queue: either way it may come back, and crashing helps nobody. */
export function isAwayForNow(error: unknown): boolean {
  return isDatabaseAway(error) || isSchemaBehind(error)
}

/** Milliseconds before try number `tries`: doubling, capped, and spread over half its length by `chance`. */
export function awayPauseMs(tries: number, chance: number): number {
  const full = Math.min(AWAY_BACKOFF_MS.to, AWAY_BACKOFF_MS.from * 2 ** Math.min(tries, 10))
  return Math.round(full * (0.5 + chance / 2))
}

/** Sleeps until the time is over or the signal fires, whichever is first; never throws. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => {})
}
