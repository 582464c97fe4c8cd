import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { connection, onConnectionChange } from './connection.ts'

/** After failures the pause doubles up to this. */
const BACK_OFF_MAX_MS = 15_000
/** What the API is long at is asked for less often: it rests so many times as long as it worked. */
const REST = 4

export interface Polled<Answer> {
  /** The last answer for the present key; undefined before the first. */
  data: Answer | undefined
  /** What the last attempt met; undefined where it succeeded. */
  error: Error | undefined
  /** Asks now instead of at the next turn; where an answer is under way, once more after it. */
  refresh: () => void
}

/**
 * Asks again and again while the tab is visible, and shows the last answer. Another `key` is another question: its
 * answer starts out empty. `ask` is given a signal that is aborted when the answer is no longer wanted.
 */
export function usePolling<Answer>(key: string, everyMs: number, ask: (signal: AbortSignal) => Promise<Answer>): Polled<Answer> {
  const [state, setState] = useState<{ key: string; data?: Answer | undefined; error?: Error | undefined }>({ key })
  const latest = useRef({ ask, everyMs })
  latest.current = { ask, everyMs }
  const refresh = useRef(() => {})

  useEffect(() => {
    const poll = startPolling(latest, (outcome) =>
      setState((before) => ({
        key,
        data: 'data' in outcome ? outcome.data : before.key === key ? before.data : undefined,
        error: 'error' in outcome ? outcome.error : undefined,
      })),
    )
    refresh.current = poll.again
    return poll.stop
  }, [key])

  const current = state.key === key ? state : { data: undefined, error: undefined }
  return { data: current.data, error: current.error, refresh: () => refresh.current() }
}

type Outcome<Answer> = { data: Answer } | { error: Error }

function startPolling<Answer>(
  latest: { current: { ask: (signal: AbortSignal) => Promise<Answer>; everyMs: number } },
  settle: (outcome: Outcome<Answer>) => void,
): { again: () => void; stop: () => void } {
  const life = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  let asking = false
  /** Something was done while an answer was under way that may not know of it yet. */
  let outdated = false

  const turn = async (): Promise<void> => {
    clearTimeout(timer)
    if (asking || life.signal.aborted || document.hidden) return
    asking = true
    const began = performance.now()
    const outcome = await outcomeOf(latest.current.ask(life.signal))
    const tookMs = performance.now() - began
    asking = false
    if (life.signal.aborted) return
    failures = 'error' in outcome ? failures + 1 : 0
    settle(outcome)
    if (outdated) {
      outdated = false
      return turn()
    }
    const { everyMs } = latest.current
    timer = setTimeout(() => void turn(), failures ? Math.min(BACK_OFF_MAX_MS, everyMs * 2 ** failures) : Math.max(everyMs, tookMs * REST))
  }

  const now = () => void turn()
  const ignoreConnection = onConnectionChange(({ up }) => up && failures > 0 && now())
  document.addEventListener('visibilitychange', now)
  addEventListener('online', now)
  now()
  return {
    again: () => {
      outdated = asking
      now()
    },
    stop: () => {
      life.abort()
      clearTimeout(timer)
      ignoreConnection()
      document.removeEventListener('visibilitychange', now)
      removeEventListener('online', now)
    },
  }
}

async function outcomeOf<Answer>(answer: Promise<Answer>): Promise<Outcome<Answer>> {
  try {
    return { data: await answer }
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) }
  }
}

/** The time by the server's clock, told anew every second while the tab is visible. */
export function useNow(now: () => number): number {
  const [instant, setInstant] = useState(now)
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setInstant(now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return instant
}

/** Whether the API answers, drawn again when that changes. */
export function useConnection(): ReturnType<typeof connection> {
  const [current, setCurrent] = useState(connection)
  useLayoutEffect(() => onConnectionChange(setCurrent), [])
  return current
}
