import { quantile, rounded } from './numbers.ts'

/** A payload that says when its job was enqueued; null for a job that nobody counts. */
export interface Marked {
  id: number
  at?: number | null
}

/** Milliseconds on the machine's monotonic clock, which all its processes share. */
export const clockMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** The first and the last of a long run are compared over this time. */
const WINDOW_MS = 10_000

interface Figures {
  jobs: number
  jobs_per_second: number | null
  wait_p50_ms: number | null
  wait_p99_ms: number | null
  wait_max_ms: number | null
  claims: number
  claim_p50_ms: number | null
  claim_max_ms: number | null
}

/** What a worker process saw: from enqueue to the start of the handler, and how long its claims took, if it told. */
export interface Watched {
  all: Figures
  first: Figures
  last: Figures
}

interface Sample {
  at: number
  ms: number
}

/** Notes when handlers begin. */
export class Watch {
  readonly #waits: Sample[] = []
  readonly #claims: Sample[] = []

  started(payload: unknown): void {
    const { at } = payload as Marked
    if (typeof at !== 'number') return
    const now = clockMs()
    this.#waits.push({ at: now, ms: now - at })
  }

  /** A claim that came back with something. */
  claimed(ms: number): void {
    this.#claims.push({ at: clockMs(), ms })
  }

  report(): Watched {
    const first = this.#waits[0]?.at ?? 0
    const last = this.#waits.at(-1)?.at ?? 0
    return {
      all: this.#figures(first, last),
      first: this.#figures(first, first + WINDOW_MS),
      last: this.#figures(last - WINDOW_MS, last),
    }
  }

  #figures(from: number, to: number): Figures {
    const within = (samples: Sample[]) => samples.filter(({ at }) => at >= from && at <= to)
    const waits = within(this.#waits).map(({ ms }) => ms)
    const claims = within(this.#claims).map(({ ms }) => ms)
    return {
      jobs: waits.length,
      jobs_per_second: rounded((waits.length * 1_000) / (to - from)),
      wait_p50_ms: rounded(quantile(waits, 0.5)),
      wait_p99_ms: rounded(quantile(waits, 0.99)),
      wait_max_ms: rounded(quantile(waits, 1)),
      claims: claims.length,
      claim_p50_ms: rounded(quantile(claims, 0.5)),
      claim_max_ms: rounded(quantile(claims, 1)),
    }
  }
}
