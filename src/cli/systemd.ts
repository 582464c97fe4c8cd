import { execFile } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { isDatabaseAway } from '#db/errors.ts'
import type { Logger } from '#log.ts'

/** Without a watchdog, how often the status text is renewed. */
const STATUS_MS = 10_000
/** A watchdog is fed three times within its time, so that one slow round trip does not end the service. */
const FEEDS_PER_WATCHDOG = 3
/** While it starts or stops, the service asks for this much more than the next report needs. */
const EXTENSION_MS = 30_000
const NOTIFY_TIMEOUT_MS = 5_000

export interface WatchedOptions {
  /** One round trip to the database, as a request or a claim makes it. */
  roundTrip: () => Promise<unknown>
  /** What the service does at the moment, for `systemctl status`. */
  status: () => string
  log: Logger
  variables?: Record<string, string | undefined>
}

/** What a service tells the systemd that keeps it; without one, nothing. */
export interface Watched {
  /** The service does its work from now on. */
  ready(): Promise<void>
  /** It stops, and needs this long at most. */
  stopping(withinMs: number): Promise<void>
}

/**
 * Reports to systemd (`Type=notify`, `WatchdogSec=`). The watchdog is fed by a timer of the event loop after a round
 * trip to the database: a loop that hangs and a pool that hangs both end the service, which is then started again.
 * A database that refuses or is gone is no reason to end a service that waits for it; the status text says so.
 *
 * The messages go through systemd-notify, since Node has no datagram sockets of the unix family, and the native
 * modules that add them are less well kept than what is there wherever systemd is. The unit therefore says
 * NotifyAccess=all.
 */
export function reportToSystemd({ roundTrip, status, log, variables = process.env }: WatchedOptions): Watched {
  if (!variables['NOTIFY_SOCKET']) return { ready: async () => {}, stopping: async () => {} }
  const watchdogMs = Number(variables['WATCHDOG_USEC'] ?? 0) / 1_000
  const everyMs = watchdogMs > 0 ? watchdogMs / FEEDS_PER_WATCHDOG : STATUS_MS
  const reporter = new Reporter({ roundTrip, status, log, variables }, everyMs)
  reporter.start()
  return reporter
}

class Reporter implements Watched {
  readonly #options: Required<WatchedOptions>
  readonly #everyMs: number
  #phase: 'starting' | 'ready' | 'stopping' = 'starting'
  #asking = false

  constructor(options: Required<WatchedOptions>, everyMs: number) {
    this.#options = options
    this.#everyMs = everyMs
  }

  start(): void {
    setInterval(() => void this.#report(), this.#everyMs).unref()
    void this.#report()
  }

  async ready(): Promise<void> {
    this.#phase = 'ready'
    await this.#send('READY=1', `STATUS=${this.#options.status()}`)
  }

  async stopping(withinMs: number): Promise<void> {
    this.#phase = 'stopping'
    await this.#send('STOPPING=1', `EXTEND_TIMEOUT_USEC=${(withinMs + NOTIFY_TIMEOUT_MS) * 1_000}`, 'STATUS=stopping: finishing what runs, taking nothing new')
  }

  async #report(): Promise<void> {
    if (this.#phase === 'stopping') return this.#send('WATCHDOG=1')
    // One round trip at a time: where it hangs, nothing is said any more, which is the message.
    if (this.#asking) return
    this.#asking = true
    const database = await this.#askDatabase()
    this.#asking = false
    if (database === null || this.#isStopping()) return
    const starting = this.#phase === 'starting'
    const more = starting ? [`EXTEND_TIMEOUT_USEC=${(this.#everyMs + EXTENSION_MS) * 1_000}`] : []
    await this.#send('WATCHDOG=1', ...more, `STATUS=${starting ? 'starting' : this.#options.status()}; ${database}`)
  }

  #isStopping(): boolean {
    return this.#phase === 'stopping'
  }

  /** In words, what the database answered; null where it neither answers nor refuses. */
  async #askDatabase(): Promise<string | null> {
    const began = performance.now()
    const answer = this.#options.roundTrip().then(
      () => `the database answered in ${Math.ceil(performance.now() - began)} ms`,
      (error: unknown) => {
        if (isDatabaseAway(error)) return 'the database is away, waiting for it'
        this.#options.log.error({ err: error }, 'the watchdog asked the database in vain')
        return null
      },
    )
    const words = await Promise.race([answer, pause(this.#everyMs, 'late' as const, { ref: false })])
    if (words !== 'late') return words
    this.#options.log.warn('the database neither answers nor refuses; the watchdog is not fed')
    return answer
  }

  async #send(...lines: string[]): Promise<void> {
    const { log, variables } = this.#options
    const env = { PATH: process.env['PATH'], NOTIFY_SOCKET: variables['NOTIFY_SOCKET'] }
    await new Promise<void>((resolve) => {
      execFile('systemd-notify', lines, { env, timeout: NOTIFY_TIMEOUT_MS }, (error) => {
        if (error) log.error({ error: error.message }, 'systemd could not be told')
        resolve()
      })
    })
  }
}
