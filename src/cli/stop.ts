import { bornAt, isStill, nameOf, parentOf } from './process-facts.ts'

/** Ctrl-C reaches a program by several ways at once (the terminal, npm, the launcher); within this time it is one Ctrl-C. */
const SAME_SIGNAL_MS = 500
const PARENT_CHECK_MS = 250

/** The wish that the program ends. */
export interface StopWish {
  /** Aborted by the first wish: stop in good order. */
  asked: AbortSignal
  /** Aborted by the second: stop now. */
  hurried: AbortSignal
  /** Wishes it from within. */
  ask(why: Error): void
}

/**
 * Listens for what ends the program: SIGINT, SIGTERM, SIGHUP, and the death of the process that started it. A second
 * signal hurries.
 */
export function listenForStop(): StopWish {
  const asked = new AbortController()
  const hurried = new AbortController()
  let firstAt = 0
  const heard = (why: string): void => {
    if (!asked.signal.aborted) {
      firstAt = performance.now()
      asked.abort(why)
    } else if (performance.now() - firstAt > SAME_SIGNAL_MS) hurried.abort(why)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => heard(signal))
  onParentGone(() => asked.abort('the process that started it is gone'))
  return { asked: asked.signal, hurried: hurried.signal, ask: (why) => asked.abort(why) }
}

/** Resolves when the signal is aborted. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

/** A launcher or a supervisor holds a channel that closes with it. npm holds none, so it is watched by its number. */
function onParentGone(gone: () => void): void {
  if (process.channel) {
    process.once('disconnect', gone)
    process.channel.unref()
  } else if (process.env['npm_lifecycle_event'] !== undefined) {
    const launchers = npmAncestors()
    const timer = setInterval(() => {
      if (launchers.every(({ pid, born }) => isStill(pid, born))) return
      clearInterval(timer)
      gone()
    }, PARENT_CHECK_MS)
    timer.unref()
  }
}

/** npm, and the shell between it and this program, where that shell has not given way to it. */
function npmAncestors(): { pid: number; born: string }[] {
  const parent = process.ppid
  const pids = [parent]
  if (/^(sh|bash|dash|ash|busybox|zsh)$/.test(nameOf(parent))) pids.push(parentOf(parent))
  return pids.map((pid) => ({ pid, born: bornAt(pid) })).filter(({ pid, born }) => pid > 1 && born !== '')
}
