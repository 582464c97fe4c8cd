import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

/** What each contestant can do. The runner starts it as a process of its own: `contestant.ts setup|enqueue|work URL [COUNT BATCH]`. */
export interface Contestant {
  setup(url: string): Promise<void>
  enqueue(url: string, count: number, batch: number): Promise<{ add(): Promise<void>; end(): Promise<unknown> }>
  /** Starts a worker; what it returns stops it. */
  work(url: string): Promise<() => Promise<void>>
}

/** Does what the command line says and tells the runner by IPC: `{ seconds }` or `{ startedAt }`. */
export async function contest(contestant: Contestant): Promise<void> {
  const [command, url = '', count = '0', batch = '1000'] = process.argv.slice(2)
  if (command === 'setup') {
    await contestant.setup(url)
    process.send?.({ done: true })
  }
  if (command === 'enqueue') {
    const { add, end } = await contestant.enqueue(url, Number(count), Number(batch))
    const started = performance.now()
    await add()
    process.send?.({ seconds: (performance.now() - started) / 1_000 })
    await end()
  }
  if (command === 'work') {
    process.send?.({ startedAt: Date.now() })
    const stop = await contestant.work(url)
    process.once('message', () => {
      void stop().then(() => {
        const { user, system } = process.cpuUsage()
        process.send?.({ cpuSeconds: (user + system) / 1e6 })
        process.disconnect?.()
      })
    })
    return
  }
  process.disconnect?.()
}

/** Loads a peer from bench/peers, where it is installed apart from the product. */
export async function peer<T>(name: string): Promise<T> {
  const from = createRequire(new URL('../peers/package.json', import.meta.url))
  const module = (await import(pathToFileURL(from.resolve(name)).href)) as T & { default?: T }
  return { ...module.default, ...module }
}
