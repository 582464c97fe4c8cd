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

/** One run of a handler, which can be interrupted before it begins and while it lasts; the first interruption counts. */
export class Run {
  #abort: AbortController | null = null
  #interruption: Interruption | null = null
  #settle: ((outcome: Outcome | Error) => void) | null = null
  #grace: NodeJS.Timeout | undefined
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
    if (this.#settle) this.#grace = setTimeout(this.#settle, ABORT_GRACE_MS, this.#interruption)
  }

  /** What the handler answers or throws, or the interruption that it did not outlive. Never throws. */
  async outcomeOf(handler: () => Promise<Outcome>, timeoutMs: number): Promise<Outcome | Error> {
    if (this.#interruption) return this.#interruption
    const started = performance.now()
    const timeout = setTimeout(() => this.interrupt('TIMEOUT', `did not end within ${timeoutMs} ms`), timeoutMs)
    const outcome = await new Promise<Outcome | Error>((resolve) => {
      this.#settle = resolve
      handler().then(resolve, (error: unknown) => resolve(toError(error)))
    })
    clearTimeout(timeout)
    clearTimeout(this.#grace)
    this.#settle = null
    this.ms = performance.now() - started
    return outcome instanceof Error && this.#interruption ? this.#interruption : outcome
  }
}

/** Whatever was thrown, as an Error. */
export function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value))
}
