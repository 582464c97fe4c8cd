import { setTimeout as pause } from 'node:timers/promises'
import { clockMs } from './watch.ts'
import type { Marked } from './watch.ts'

/** How to enqueue: so many jobs at a time, every so many milliseconds, a little sooner or later each time. */
export interface Pace {
  every_ms: number
  jitter_ms: number
  batch: number
  jobs: number
  /** The first jobs only warm up caches and plans; nobody counts them. */
  warm_up: number
}

/** Calls that may be under way at a time: a slow answer does not hold the next batch back, but there is an end to that. */
const UNDER_WAY_MAX = 8

/** Enqueues at the pace. @returns jobs a second, those of the warm-up not counted */
export async function keepPace(plan: Pace, add: (payloads: Marked[]) => Promise<unknown>): Promise<number> {
  const underWay = new Set<Promise<unknown>>()
  let started = 0
  let next = clockMs()
  for (let sent = 0; sent < plan.jobs;) {
    await pause(Math.max(0, next - clockMs()))
    next += plan.every_ms + plan.jitter_ms * (2 * Math.random() - 1)
    while (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay)
    if (sent >= plan.warm_up && started === 0) started = clockMs()
    const at = clockMs()
    const payloads = Array.from({ length: Math.min(plan.batch, plan.jobs - sent) }, (_, n) => ({ id: sent + n, at: sent < plan.warm_up ? null : at }))
    const call = add(payloads).finally(() => underWay.delete(call))
    underWay.add(call)
    sent += payloads.length
  }
  await Promise.all(underWay)
  return ((plan.jobs - plan.warm_up) * 1_000) / (clockMs() - started)
}
