import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, generateText, NoObjectGeneratedError, NoOutputGeneratedError, Output } from 'ai'
import { BrokenCircuitError, circuitBreaker, CircuitState, ConsecutiveBreaker, ConstantBackoff, handleWhen, retry } from 'cockatiel'
import type { CircuitBreakerPolicy } from 'cockatiel'
import type { z } from 'zod'
import { metrics } from '#metrics.ts'
import type { LlmConfig } from './llm-config.ts'

const RETRIES = 1
const RETRY_AFTER_MS = 200
const MAX_OUTPUT_TOKENS = 1_200
/** An answer of the wanted shape has a few kilobytes. */
const MAX_ANSWER_BYTES = 262_144
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

export interface Asked<Shape> {
  system: string
  prompt: string
  schema: z.ZodType<Shape>
  signal: AbortSignal
}

export interface Answered<Shape> {
  value: Shape
  input_tokens: number | null
  output_tokens: number | null
  cost: number | null
  seconds: number
}

/** A language model behind an endpoint: asked with a time-out, once more where that may help, and not at all while its circuit is open. */
export class LanguageModel {
  readonly config: LlmConfig
  readonly #breaker: CircuitBreakerPolicy
  #openUntil = 0

  constructor(config: LlmConfig) {
    this.config = config
    this.#breaker = circuitBreaker(handleWhen(isDown), {
      breaker: new ConsecutiveBreaker(config.LLM_BREAK_AFTER),
      halfOpenAfter: config.LLM_BREAK_MS,
    })
    this.#breaker.onBreak(() => (this.#openUntil = performance.now() + config.LLM_BREAK_MS))
  }

  /** Host and port, without what an address may carry beside them. */
  get endpoint(): string {
    return new URL(this.config.LLM_URL).host
  }

  get circuit(): 'closed' | 'open' | 'half_open' {
    const { state } = this.#breaker
    return state === CircuitState.Closed ? 'closed' : state === CircuitState.HalfOpen ? 'half_open' : 'open'
  }

  /** Whether asking is of no use now: an open circuit sends nothing until its time is over. */
  get isOpen(): boolean {
    return this.circuit === 'open' && performance.now() < this.#openUntil
  }

  /** @throws NoAnswer where the endpoint does not answer, or not in the wanted shape */
  async ask<Shape>(asked: Asked<Shape>): Promise<Answered<Shape>> {
    const began = performance.now()
    const again = retry(handleWhen(isDown), { maxAttempts: RETRIES, backoff: new ConstantBackoff(RETRY_AFTER_MS) })
    try {
      const answered = await again.execute(({ signal }) => this.#breaker.execute(() => this.#once(asked, signal), signal), asked.signal)
      this.#note('answered')
      return { ...answered, seconds: (performance.now() - began) / 1_000 }
    } catch (error) {
      asked.signal.throwIfAborted()
      const reason = reasonOf(error)
      this.#note(reason.kind)
      throw reason
    }
  }

  async #once<Shape>({ system, prompt, schema, signal: caller }: Asked<Shape>, signal: AbortSignal): Promise<Omit<Answered<Shape>, 'seconds'>> {
    const { LLM_URL, LLM_MODEL, LLM_API_KEY, LLM_TIMEOUT_MS } = this.config
    const provider = createOpenAICompatible({
      name: 'language-model',
      baseURL: LLM_URL,
      ...(LLM_API_KEY ? { apiKey: LLM_API_KEY } : {}),
      supportsStructuredOutputs: true,
      fetch: boundedFetch,
    })
    const timed = metrics.ollamaInference.startTimer({ model: LLM_MODEL })
    try {
      const { output, usage } = await generateText({
        model: provider(LLM_MODEL),
        system,
        prompt,
        output: Output.object({ schema }),
        temperature: 0,
        maxOutputTokens: MAX_OUTPUT_TOKENS,
        maxRetries: 0,
        abortSignal: AbortSignal.any([signal, AbortSignal.timeout(LLM_TIMEOUT_MS)]),
      })
      const [input_tokens, output_tokens] = [usage.inputTokens ?? null, usage.outputTokens ?? null]
      return { value: output, input_tokens, output_tokens, cost: this.#count(input_tokens, output_tokens) }
    } catch (error) {
      throw caller.aborted ? new CalledOff() : error
    } finally {
      timed()
    }
  }

  #count(input: number | null, output: number | null): number | null {
    const { LLM_MODEL: model, LLM_INPUT_PRICE, LLM_OUTPUT_PRICE } = this.config
    if (input === null && output === null) return null
    const cost = ((input ?? 0) * LLM_INPUT_PRICE + (output ?? 0) * LLM_OUTPUT_PRICE) / 1_000_000
    metrics.llmTokens.inc({ model, direction: 'input' }, input ?? 0)
    metrics.llmTokens.inc({ model, direction: 'output' }, output ?? 0)
    metrics.llmCost.inc({ model }, cost)
    return cost
  }

  #note(outcome: 'answered' | NoAnswer['kind']): void {
    metrics.llmCalls.inc({ model: this.config.LLM_MODEL, outcome })
    metrics.ollamaUp.set(outcome === 'failed' ? 0 : 1)
  }
}

let known: { key: string; model: LanguageModel } | null = null

/** The process's one language model of this configuration: its circuit is everybody's. */
export function languageModel(config: LlmConfig): LanguageModel {
  const key = JSON.stringify(config)
  if (known?.key !== key) known = { key, model: new LanguageModel(config) }
  return known.model
}

/** The caller gave up: that says nothing of the endpoint. */
class CalledOff extends Error {
  override name = 'CalledOff'
}

/** What speaks against the endpoint itself, and not against this one answer. */
function isDown(error: unknown): boolean {
  if (error instanceof CalledOff || NoObjectGeneratedError.isInstance(error) || NoOutputGeneratedError.isInstance(error)) return false
  if (APICallError.isInstance(error)) return error.statusCode === undefined || error.statusCode === 429 || error.statusCode >= 500 || error.statusCode < 300
  return true
}

function reasonOf(error: unknown): NoAnswer {
  if (error instanceof BrokenCircuitError) return new NoAnswer('failed', 'the language model failed often, and is left alone for a while', error)
  if (NoObjectGeneratedError.isInstance(error) || NoOutputGeneratedError.isInstance(error)) {
    return new NoAnswer('refused', 'the language model did not answer in the wanted shape', error)
  }
  if (error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError'))
    return new NoAnswer('failed', 'the language model took too long', error)
  if (APICallError.isInstance(error) && error.statusCode !== undefined) return new NoAnswer('failed', `the language model answered ${error.statusCode}`, error)
  return new NoAnswer('failed', `the language model cannot be reached: ${messageOf(error)}`, error)
}

function messageOf(error: unknown): string {
  const said = error instanceof Error ? error.message : String(error)
  return said
    .replaceAll(/\p{Cc}+/gu, ' ')
    .slice(0, DETAIL_CHARS)
    .toWellFormed()
}

/** Follows no redirect, and reads no further than an answer can reach. */
const boundedFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, { ...init, redirect: 'error' })
  let bytes = 0
  const counted = response.body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.byteLength
        if (bytes > MAX_ANSWER_BYTES) controller.error(new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`))
        else controller.enqueue(chunk)
      },
    }),
  )
  return new Response(counted ?? null, { status: response.status, statusText: response.statusText, headers: response.headers })
}
