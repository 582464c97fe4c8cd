/** Whether the API answers. One for the page: every request tells it, the banner and the polls listen. */
export type Connection = { up: true } | { up: false; since: number; why: string }

type Listener = (connection: Connection) => void
const listeners = new Set<Listener>()
let current: Connection = { up: true }
/** What the server's clock is ahead of this machine's, so that ages are right on a laptop whose clock is not. */
let aheadMs = 0
/** The Date header counts whole seconds; a smaller difference is not known to be one. */
const CLOCK_GRAIN_MS = 2_000

export const connection = (): Connection => current
export const serverNow = (): number => Date.now() + aheadMs

export function onConnectionChange(listener: Listener): () => void {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export function isUp(date: string | null): void {
  const ahead = date === null ? Number.NaN : Date.parse(date) + 500 - Date.now()
  if (!Number.isNaN(ahead)) aheadMs = Math.abs(ahead) < CLOCK_GRAIN_MS ? 0 : ahead
  if (!current.up) set({ up: true })
}

export function isDown(why: string): void {
  if (current.up || current.why !== why) set({ up: false, since: current.up ? Date.now() : current.since, why })
}

function set(next: Connection): void {
  current = next
  for (const listener of listeners) listener(next)
}
