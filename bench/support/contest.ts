import { once } from 'node:events'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { keepPace } from './pace.ts'
import type { Pace } from './pace.ts'
import { Watch } from './watch.ts'
import type { Marked } from './watch.ts'

/** `drain`: as many jobs as possible, whose handlers do nothing. `watch`: each handler notes when it begins. */
export type Purpose = 'drain' | 'watch'

/** What each contestant can do. The runner starts it as a process of its own: `contestant.ts setup|enqueue|pace|work URL PURPOSE ...`. */
export interface Contestant {
  setup(url: string, purpose: Purpose): Promise<void>
  /** `add` enqueues one batch by one call. */
  enqueue(url: string, purpose: Purpose): Promise<{ add(payloads: Marked[]): Promise<unknown>; end(): Promise<unknown> }>
  /** Starts a worker; what it returns stops it. With a watch, it is set up for speed of response and tells the watch of each start. */
  work(url: string, watch: Watch | null): Promise<() => Promise<void>>
}

/** Does what the command line says and tells the runner by IPC. */
export async function contest(contestant: Contestant): Promise<void> {
  const [command, url = '', purpose = 'drain', ...rest] = process.argv.slice(2) as [string, string?, Purpose?, ...string[]]
  if (command === 'setup') {
    await contestant.setup(url, purpose)
    process.send?.({ done: true })
  }
  if (command === 'enqueue') {
    const { add, end } = await contestant.enqueue(url, purpose)
    process.send?.({ seconds: await enqueueAll(add, Number(rest[0]), Number(rest[1])) })
    await end()
  }
  if (command === 'pace') {
    const { add, end } = await contestant.enqueue(url, purpose)
    process.send?.({ rate: await keepPace(JSON.parse(rest[0]!) as Pace, add) })
    await end()
  }
  if (command === 'work') return work(contestant, url, purpose)
  process.disconnect?.()
}

async function enqueueAll(add: (payloads: Marked[]) => Promise<unknown>, count: number, batch: number): Promise<number> {
  const started = performance.now()
  for (let at = 0; at < count; at += batch) await add(Array.from({ length: Math.min(batch, count - at) }, (_, index) => ({ id: at + index })))
  return (performance.now() - started) / 1_000
}

async function work(contestant: Contestant, url: string, purpose: Purpose): Promise<void> {
  const watch = purpose === 'watch' ? new Watch() : null
  const startedAt = Date.now()
  const before = process.cpuUsage()
  // For a drain the start counts from here: connecting is part of it. A watched worker is asked nothing before it is ready.
  if (!watch) process.send?.({ startedAt })
  const stop = await contestant.work(url, watch)
  if (watch) process.send?.({ startedAt })
  await once(process, 'message')
  await stop()
  // Without what loading the modules took, which comes once and not with each job.
  const { user, system } = process.cpuUsage(before)
  process.send?.({ cpuSeconds: (user + system) / 1e6, watched: watch?.report() ?? null })
  process.disconnect?.()
}

/** Loads a peer from bench/peers, where it is installed apart from the product. */
export async function peer<T>(name: string): Promise<T> {
  const from = createRequire(new URL('../peers/package.json', import.meta.url))
  const module = (await import(pathToFileURL(from.resolve(name)).href)) as T & { default?: T }
  return { ...module.default, ...module }
}
