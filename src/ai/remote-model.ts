import { APICallError, NoObjectGeneratedError, NoOutputGeneratedError } from 'ai'
import { BrokenCircuitError, circuitBreaker, CircuitState, ConsecutiveBreaker, ConstantBackoff, handleWhen, retry } from 'cockatiel'
import type { CircuitBreakerPolicy } from 'cockatiel'

const RETRY_AFTER_MS = 200
const DETAIL_CHARS = 300

/** Why there is no answer, in words for an agent. */
export class NoAnswer extends Error {
  override name = 'NoAnswer'
  /** `failed`: the endpoint did not answer. `refused`: it did, and its answer is not used. */
  readonly kind: 'failed' | 'refused'

  constructor(kind: NoAnswer['kind'], message: string, cause?: unknown) {
    super(message, { cause })
    this.kind = kind
  }
}

export interface RemoteOptions {
  /** What it is, in a sentence: `the language model`. */
  name: string
  url: string
  /** So many failures in a row open its circuit, for so long. */
  breakAfter: number
  breakMs: number
}

/** A model behind an endpoint: called once more where that may help, and not at all while its circuit is open. */
export class RemoteModel {
  readonly #options: RemoteOptions
  readonly #breaker: CircuitBreakerPolicy
  #openUntil = 0

  constructor(options: RemoteOptions) {
    this.#options = options
    this.#breaker = circuitBreaker(handleWhen(isDown), { breaker: new ConsecutiveBreaker(options.breakAfter), halfOpenAfter: options.breakMs })
    this.#breaker.onBreak(() => (this.#openUntil = performance.now() + options.breakMs))
  }

  /** Host and port, without what an address may carry beside them. */
  get endpoint(): string {
    return new URL(this.#options.url).host
  }

  get circuit(): 'closed' | 'open' | 'half_open' {
    const { state } = this.#breaker
    return state === CircuitState.Closed ? 'closed' : state === CircuitState.HalfOpen ? 'half_open' : 'open'
  }

  /** Whether asking is of no use now: an open circuit sends nothing until its time is over. */
  get isOpen(): boolean {
    return this.circuit === 'open' && performance.now() < this.#openUntil
  }

  /**
   * Calls the endpoint, each time for at most `timeoutMs`.
   *
   * @throws NoAnswer where it does not answer, or not as wanted; the signal's reason where the caller gave up
   */
  async call<T>(
    once: (signal: AbortSignal) => Promise<T>,
    { retries, timeoutMs, signal: caller }: { retries: number; timeoutMs: number; signal: AbortSignal },
  ): Promise<T> {
    const again = retry(handleWhen(isDown), { maxAttempts: retries, backoff: new ConstantBackoff(RETRY_AFTER_MS) })
    const attempt = async (signal: AbortSignal): Promise<T> => {
      try {
        return await once(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]))
      } catch (error) {
        throw caller.aborted ? new CalledOff() : error
      }
    }
    try {
      return await again.execute(({ signal }) => this.#breaker.execute(() => attempt(signal), signal), caller)
    } catch (error) {
      caller.throwIfAborted()
      throw this.#reasonOf(error)
    }
  }

  #reasonOf(error: unknown): NoAnswer {
    const { name } = this.#options
    if (error instanceof NoAnswer) return error
    if (error instanceof BrokenCircuitError) return new NoAnswer('failed', `${name} failed often, and is left alone for a while`, error)
    if (NoObjectGeneratedError.isInstance(error) || NoOutputGeneratedError.isInstance(error)) {
      return new NoAnswer('refused', `${name} did not answer in the wanted shape`, error)
    }
    if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError')) return new NoAnswer('failed', `${name} took too long`, error)
    if (APICallError.isInstance(error) && error.statusCode !== undefined) {
      const said = error.statusCode < 300 ? 'gave an answer that cannot be read' : `answered ${error.statusCode}`
      return new NoAnswer('failed', `${name} ${said}`, error)
    }
    return new NoAnswer('failed', `${name} cannot be reached: ${messageOf(error)}`, error)
  }
}

/** The caller gave up: that says nothing of the endpoint. */
class CalledOff extends Error {
  override name = 'CalledOff'
}

/** What speaks against the endpoint itself, and not against this one answer. */
function isDown(error: unknown): boolean {
  if (error instanceof CalledOff || error instanceof NoAnswer || NoObjectGeneratedError.isInstance(error) || NoOutputGeneratedError.isInstance(error))
    return false
  if (APICallError.isInstance(error)) return error.statusCode === undefined || error.statusCode === 429 || error.statusCode >= 500 || error.statusCode < 300
  return true
}

function messageOf(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error)
  return said
    .replaceAll(/\p{Cc}+/gu, ' ')
    .slice(0, DETAIL_CHARS)
    .toWellFormed()
}

/** A fetch that follows no redirect, and reads no further than an answer can reach. */
export function boundedFetch(maxBytes: number): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, { ...init, redirect: 'error' })
    let bytes = 0
    const counted = response.body?.pipeThrough(
      new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          bytes += chunk.byteLength
          if (bytes > maxBytes) controller.error(new Error(`the answer is longer than ${maxBytes} bytes`))
          else controller.enqueue(chunk)
        },
      }),
    )
    return new Response(counted ?? null, { status: response.status, statusText: response.statusText, headers: response.headers })
  }
}
