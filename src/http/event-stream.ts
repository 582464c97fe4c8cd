import { isWanted } from '#db/event-types.ts'
import { EVENTS_PAGE } from './event-tail.ts'
import type { EventTail } from './event-tail.ts'
import { viewOf } from './event-view.ts'
import type { EventView } from './event-view.ts'
import type { Identity } from './tokens.ts'

/** Proxies end a connection on which nothing is heard for a minute or so. */
export const HEARTBEAT_MS = 15_000
const RECONNECT_MS = 2_000

export interface Listening {
  identity: Identity
  /** The event after which it begins. */
  after: number
  /** Patterns of types; null for all that the role hears. */
  types: readonly string[] | null
  /** Ends the stream. */
  signal: AbortSignal
  /** A coalesced reading that is sent where it has changed; null where the role has none. */
  jobs: (() => Promise<string>) | null
}

/**
 * What somebody hears, as text/event-stream, for ever. It reads on only when what it gave was taken: a slow listener
 * costs one page. Every block says how far the log was followed, what was not for this listener included, so that a
 * resumed stream begins there.
 */
export async function* eventStream(tail: EventTail, { identity, after, types, signal, jobs }: Listening): AsyncGenerator<string> {
  let position = after
  let shownJobs = ''
  let wake = (): void => {}
  let grown = true
  const unfollow = tail.follow(identity.organization_id, () => {
    grown = true
    wake()
  })
  const end = (): void => wake()
  signal.addEventListener('abort', end)
  try {
    yield `retry: ${RECONNECT_MS}\nid: ${position}\nevent: ready\ndata: ${JSON.stringify({ through: position })}\n\n`
    while (!signal.aborted) {
      if (grown) {
        grown = false
        const events = await tail.read(identity.organization_id, position)
        for (const event of events) {
          if (signal.aborted) break
          position = event.id
          const view = types === null || isWanted(event.type, types) ? viewOf(event, identity) : null
          if (view) yield blockOf(view)
        }
        if (events.length === EVENTS_PAGE) {
          grown = true
          continue
        }
      }
      if (jobs) {
        const reading = await jobs()
        if (reading !== shownJobs) yield `event: jobs\ndata: ${(shownJobs = reading)}\n\n`
      }
      if (grown || signal.aborted) continue
      const quiet = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(true), jobs ? JOBS_MS : HEARTBEAT_MS)
        wake = () => {
          clearTimeout(timer)
          resolve(false)
        }
      })
      wake = () => {}
      if (quiet) yield `: still here\nid: ${position}\n\n`
    }
    yield `id: ${position}\nevent: end\ndata: ${JSON.stringify({ reason: String(signal.reason) })}\n\n`
  } finally {
    signal.removeEventListener('abort', end)
    unfollow()
  }
}

/** Counts of jobs change all the time: at most one block a second. */
const JOBS_MS = 1_000

/** JSON has no line breaks of its own, and a type holds none: nothing can begin a block of its own. */
function blockOf(view: EventView): string {
  return `id: ${view.id}\nevent: ${view.type}\ndata: ${JSON.stringify(view)}\n\n`
}
