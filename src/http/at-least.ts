import { setTimeout as pause } from 'node:timers/promises'

/** Answers no sooner than after `ms`: what takes less than that tells nobody which way it went. */
export async function atLeast<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const floor = pause(ms)
  try {
    return await work()
  } finally {
    await floor
  }
}
