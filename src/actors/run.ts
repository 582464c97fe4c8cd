import type { Outcome } from '#jobs/job-type.ts'

/** How long an interrupted handler may take to come back before its job goes on without it. Its writes never commit then. */
const ABORT_GRACE_MS = 2_000

/** Why a run was broken off from outside. It becomes the job's event. */
export class Interruption extends Error {
  override name = 'Interruption'
  readonly kind: 'CANCEL' | 'TIMEOUT' | 'RELEASE' | 'LEASE_LOST'

  constructor(kind: Interruption['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

/** Whose handler a run calls, and who is told, once, what it answered or threw, or the interruption that it did not outlive. */
export interface RunHost {
  handle(): Promise<Outcome>
  ended(outcome: Outcome | Error): void
}

/** One run of a handler, which can be interrupted before it begins and while it lasts; the first interruption counts. */
export class Run {
  #abort: AbortController | null = null
  #interruption: Interruption | null = null
  /** Until the run is over. */
  #host: RunHost | null = null
  #grace: NodeJS.Timeout | undefined
  #timeout: NodeJS.Timeout | undefined
  #timeoutMs = 0
  #startedAt = 0
  /** Milliseconds that the handler took. */
  ms = 0

  get interruption(): Interruption | null {
    return this.#interruption
  }

  /** Made when the handler first looks at it: most quick ones never do. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#interruption) this.#abort.abort(this.#interruption)
    return this.#abort.signal
  }

  interrupt(kind: Interruption['kind'], message: string): void {
    if (this.#interruption) return
    this.#interruption = new Interruption(kind, message)
    this.#abort?.abort(this.#interruption)
    if (this.#host) this.#grace = setTimeout(() => this.#settled(this.#interruption!), ABORT_GRACE_MS)
  }

  /** Calls the handler and tells the host what came of it. Never throws. */
  start(host: RunHost, timeoutMs: number): void {
    if (this.#interruption) return host.ended(this.#interruption)
    this.#startedAt = performance.now()
    this.#timeoutMs = timeoutMs
    this.#host = host
    watchDeadline(this)
    let outcome: Promise<Outcome>
    try {
      outcome = host.handle()
    } catch (error) {
      return this.#settled(toError(error))
    }
    outcome.then(
      (answer) => this.#settled(answer),
      (error: unknown) => this.#settled(toError(error)),
    )
  }

  /** Begins to watch the deadline of a run that is not over yet. */
  arm(): void {
    if (!this.#host) return
    const leftMs = this.#startedAt + this.#timeoutMs - performance.now()
    this.#timeout = setTimeout(() => this.interrupt('TIMEOUT', `did not end within ${this.#timeoutMs} ms`), Math.max(0, leftMs))
  }

  #settled(outcome: Outcome | Error): void {
    const host = this.#host
    if (!host) return
    this.#host = null
    if (this.#timeout) clearTimeout(this.#timeout)
    if (this.#grace) clearTimeout(this.#grace)
    this.ms = performance.now() - this.#startedAt
    host.ended(outcome instanceof Error && this.#interruption ? this.#interruption : outcome)
  }
}

/** Runs that began in this turn of the event loop. Those that outlive it get a timer; most quick ones need none. */
let begun: Run[] = []

function watchDeadline(run: Run): void {
  if (begun.push(run) > 1) return
  setImmediate(() => {
    const runs = begun
    begun = []
    for (const one of runs) one.arm()
  })
}

/** Whatever was thrown, as an Error. */
export function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value))
}
