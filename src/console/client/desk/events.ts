import { useEffect, useRef } from 'preact/hooks'
import { listen } from '../api.ts'

const PAUSE_MS = 2_000
const PAUSE_MAX_MS = 60_000

interface PushedEvent {
  type: string
  ticket_id: string | null
}

/**
 * Hears what happens to tickets as it happens. Polling goes on beside it, slowly: where the stream cannot be had, the page
 * is late and never wrong. A browser's own EventSource sends no bearer token, so the stream is read by hand.
 */
export function useTicketEvents(onEvent: (event: PushedEvent) => void): void {
  const latest = useRef(onEvent)
  latest.current = onEvent
  useEffect(() => {
    const life = new AbortController()
    void follow((event) => latest.current(event), life.signal)
    return () => life.abort()
  }, [])
}

async function follow(tell: (event: PushedEvent) => void, signal: AbortSignal): Promise<void> {
  let pause = PAUSE_MS
  while (!signal.aborted) {
    try {
      const stream = await listen('/events?types=ticket.*,comment.*,attachment.*,suggestion.*', signal)
      if (stream) {
        pause = PAUSE_MS
        await readEvents(stream, tell)
      }
    } catch {
      // The network, or the page, went away: the polls tell what there is to tell about that.
    }
    if (signal.aborted) return
    await new Promise((resolve) => setTimeout(resolve, pause))
    pause = Math.min(PAUSE_MAX_MS, pause * 2)
  }
}

async function readEvents(stream: ReadableStream<Uint8Array>, tell: (event: PushedEvent) => void): Promise<void> {
  let rest = ''
  const decoder = new TextDecoder()
  const reader = stream.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (rest + decoder.decode(value, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = eventOf(block)
      if (event) tell(event)
    }
  }
}

/** What a block of text/event-stream says; null where it is a heartbeat, or about the stream itself. */
function eventOf(block: string): PushedEvent | null {
  const data = block
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trim())
    .join('\n')
  if (data === '') return null
  const event = JSON.parse(data) as Partial<PushedEvent>
  return typeof event.type === 'string' ? { type: event.type, ticket_id: event.ticket_id ?? null } : null
}
