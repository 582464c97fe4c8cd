import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Counts } from '#process-counts.ts'

const LAUNCHER = fileURLToPath(new URL('../../bin/atum-desk.mjs', import.meta.url))

/** What a worker is sent when it is to say what it has counted. */
export const ASK_COUNTS = 'counts'
/** What the worker's death means: it is started again, later each time; so many deaths within the window end the program. */
const BUDGET = { deaths: 30, withinMs: 120_000, pauseMs: 100, pauseMaxMs: 5_000 }
/** How much longer than DRAIN_MS a worker may take to stop. */
const STOP_MARGIN_MS = 5_000
/** A worker that does not answer in time is shown as it last answered. */
const COUNTS_PATIENCE_MS = 1_000

interface WorkerProcessOptions {
  variables: Record<string, string | undefined>
  drainMs: number
  say: (line: string) => void
  onGone: (error: Error) => void
}

/** A worker in a process of its own, which is started again when it dies. It ends itself when this process does. */
export class WorkerProcess {
  readonly #options: WorkerProcessOptions
  #child: ChildProcess
  #stopping = false
  #deaths: number[] = []
  /** What the present worker said last, and what those before it had said: a counter does not fall when its worker dies. */
  #lastCounts: Counts = []
  #endedCounts: Counts = []

  constructor(options: WorkerProcessOptions) {
    this.#options = options
    this.#child = this.#spawn()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** What its workers have counted so far. */
  async counts(): Promise<Counts> {
    const child = this.#child
    if (child.connected) {
      const patience = AbortSignal.timeout(COUNTS_PATIENCE_MS)
      const answer = once(child, 'message', { signal: patience }).catch(() => {})
      child.send(ASK_COUNTS, (error) => error && this.#options.say(`The worker could not be asked what it counted: ${error.message}`))
      await answer
    }
    const { addCounts } = await import('#process-counts.ts')
    return addCounts(this.#endedCounts, this.#lastCounts)
  }

  /** Lets the worker drain; it is ended where it takes too long, or when `hurried` is aborted. */
  async stop(hurried: AbortSignal): Promise<void> {
    this.#stopping = true
    const child = this.#child
    if (hasEnded(child)) return
    const kill = (): void => void child.kill('SIGKILL')
    const ended = new Promise((resolve) => child.once('exit', resolve))
    const patience = setTimeout(kill, this.#options.drainMs + STOP_MARGIN_MS)
    hurried.addEventListener('abort', kill)
    if (hurried.aborted) kill()
    child.kill('SIGTERM')
    await ended
    clearTimeout(patience)
    hurried.removeEventListener('abort', kill)
  }

  #spawn(): ChildProcess {
    const child = fork(LAUNCHER, ['work'], { env: this.#options.variables, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    child.on('message', ({ counts }: { counts: Counts }) => (this.#lastCounts = counts))
    child.once('error', (error) => this.#options.say(`The worker could not be started: ${error.message}`))
    child.once('exit', (code, signal) => {
      if (this.#stopping) return
      void this.#keepCounts()
      const next = code === 0 ? this.#replace() : this.#startAgain(signal ?? `code ${code}`)
      next.catch(this.#options.onGone)
    })
    return child
  }

  async #keepCounts(): Promise<void> {
    const last = this.#lastCounts
    this.#lastCounts = []
    const { addCounts } = await import('#process-counts.ts')
    this.#endedCounts = await addCounts(this.#endedCounts, last)
  }

  /** It was drained: an end in good order, which is no death. This program is to have a worker, so it gets a new one. */
  async #replace(): Promise<void> {
    this.#options.say('The worker was drained and has ended; starting a new one.')
    await pause(BUDGET.pauseMs)
    if (!this.#stopping) this.#child = this.#spawn()
  }

  async #startAgain(end: string): Promise<void> {
    const now = Date.now()
    this.#deaths = [...this.#deaths.filter((at) => at > now - BUDGET.withinMs), now]
    if (this.#deaths.length > BUDGET.deaths)
      throw new Error(`The worker died ${this.#deaths.length} times within ${BUDGET.withinMs / 1_000} s, the last time by ${end}.`)
    this.#options.say(`The worker ended (${end}); starting it again.`)
    await pause(Math.min(BUDGET.pauseMs * 2 ** (this.#deaths.length - 1), BUDGET.pauseMaxMs))
    if (!this.#stopping) this.#child = this.#spawn()
  }
}

const hasEnded = (child: ChildProcess): boolean => child.pid === undefined || child.exitCode !== null || child.signalCode !== null
