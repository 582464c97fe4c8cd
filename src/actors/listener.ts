import pg from 'pg'
import { fromPromise } from 'xstate'
import { z } from 'zod'
import type { Engine } from './engine.ts'
import { awayPauseMs, isAwayForNow, sleep } from './service.ts'

/** How often the listening connection is asked whether it still lives; a dead peer is otherwise noticed by nobody. */
const PROBE_MS = 5_000

const message = z.object({ queues: z.array(z.string()).optional(), cancel: z.array(z.number()).optional() })
export type WakeMessage = z.infer<typeof message>

/**
 * Listens for notifications on a connection of its own, and makes a new one when it breaks. Nothing depends on it:
 * polling finds every job a little later.
 */
export function listenerActor(onMessage: (wake: WakeMessage) => void) {
  return fromPromise<void, { engine: Engine }>(async ({ input: { engine }, signal }) => {
    const url = engine.directUrl
    if (!url) return
    let away = 0
    while (!signal.aborted) {
      try {
        await listen(url, onMessage, signal, () => (away = 0))
      } catch (error) {
        if (!isAwayForNow(error)) throw error
        away += 1
        await sleep(awayPauseMs(away, engine.chance()), signal)
      }
    }
  })
}

/** Resolves when the signal fires. @throws when the connection breaks */
async function listen(url: string, onMessage: (wake: WakeMessage) => void, signal: AbortSignal, connected: () => void): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'atum-desk listener', connectionTimeoutMillis: 5_000, query_timeout: 5_000 })
  let broken: Error | undefined
  client.on('error', (error) => (broken = error))
  client.on('end', () => (broken ??= new Error('Connection terminated')))
  client.on('notification', ({ payload }) => onMessage(readMessage(payload)))
  try {
    await client.connect()
    await client.query('listen atum_jobs')
    connected()
    // What was enqueued while nobody listened.
    onMessage({})
    while (!signal.aborted) {
      await sleep(PROBE_MS, signal)
      if (broken) throw broken
      if (!signal.aborted) await client.query('select 1')
    }
  } finally {
    await client.end().catch(() => {})
  }
}

/** Anyone with the database's password can notify: what is not a message of ours wakes all queues and does no more. */
function readMessage(payload: string | undefined): WakeMessage {
  try {
    const parsed = message.safeParse(JSON.parse(payload ?? ''))
    return parsed.success ? parsed.data : {}
  } catch {
    return {}
  }
}
