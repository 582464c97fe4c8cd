import { until } from './database.ts'

/** One block of text/event-stream. */
export interface Block {
  id: number | null
  event: string
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what was said, and asserts what it is
  data: any
}

/** A stream that is being listened to. */
export interface Listener {
  status: number
  blocks: Block[]
  /** The last id that was heard of, heartbeats included: where one would resume. */
  lastId: number
  ended: boolean
  /** Blocks of real events: neither `ready` nor `jobs` nor `end`. */
  events(): Block[]
  heard(type: string, count?: number): Promise<Block[]>
  close(): void
}

/** Listens to GET /events of a server that listens on `base`. */
export async function listenTo(base: string, token: string, { query = '', lastEventId }: { query?: string; lastEventId?: number } = {}): Promise<Listener> {
  const controller = new AbortController()
  const response = await fetch(`${base}/api/v1/events${query}`, {
    headers: { authorization: `Bearer ${token}`, accept: 'text/event-stream', ...(lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }) },
    signal: controller.signal,
  })
  const listener: Listener = {
    status: response.status,
    blocks: [],
    lastId: 0,
    ended: false,
    events: () => listener.blocks.filter(({ event }) => !['ready', 'jobs', 'end'].includes(event)),
    heard: async (type, count = 1) => {
      const found = (): Block[] => listener.blocks.filter(({ event }) => event === type)
      await until(() => found().length >= count, `${count} times ${type}`)
      return found()
    },
    close: () => controller.abort(),
  }
  const reading = response.status === 200 ? read(response, listener) : response.body?.cancel()
  void reading?.catch(() => {}).finally(() => (listener.ended = true))
  return listener
}

async function read(response: Response, listener: Listener): Promise<void> {
  let text = ''
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const parts = (text + chunk).split('\n\n')
    text = parts.pop()!
    for (const part of parts) {
      const fields = Object.fromEntries(part.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]))
      if (fields['id']) listener.lastId = Number(fields['id'])
      if (fields['data'])
        listener.blocks.push({ id: fields['id'] ? Number(fields['id']) : null, event: fields['event'] ?? 'message', data: JSON.parse(fields['data']) })
    }
  }
}
