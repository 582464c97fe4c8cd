import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, Output } from 'ai'
import type { z } from 'zod'
import { metrics } from '#metrics.ts'
import type { LlmConfig } from './llm-config.ts'
import { boundedFetch, NoAnswer, RemoteModel } from './remote-model.ts'

const RETRIES = 1
const MAX_OUTPUT_TOKENS = 1_200
/** An answer of the wanted shape has a few kilobytes. */
const MAX_ANSWER_BYTES = 262_144

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

/** A language model behind an endpoint. */
export class LanguageModel extends RemoteModel {
  readonly config: LlmConfig

  constructor(config: LlmConfig) {
    super({ name: 'the language model', url: config.LLM_URL, breakAfter: config.LLM_BREAK_AFTER, breakMs: config.LLM_BREAK_MS })
    this.config = config
  }

  /** @throws NoAnswer where the endpoint does not answer, or not in the wanted shape */
  async ask<Shape>(asked: Asked<Shape>): Promise<Answered<Shape>> {
    const began = performance.now()
    try {
      const answered = await this.call((signal) => this.#once(asked, signal), { retries: RETRIES, timeoutMs: this.config.LLM_TIMEOUT_MS, signal: asked.signal })
      this.#note('answered')
      return { ...answered, seconds: (performance.now() - began) / 1_000 }
    } catch (error) {
      if (error instanceof NoAnswer) this.#note(error.kind)
      throw error
    }
  }

  async #once<Shape>({ system, prompt, schema }: Asked<Shape>, signal: AbortSignal): Promise<Omit<Answered<Shape>, 'seconds'>> {
    const { LLM_URL, LLM_MODEL, LLM_API_KEY } = this.config
    const provider = createOpenAICompatible({
      name: 'language-model',
      baseURL: LLM_URL,
      ...(LLM_API_KEY ? { apiKey: LLM_API_KEY } : {}),
      supportsStructuredOutputs: true,
      fetch: boundedFetch(MAX_ANSWER_BYTES),
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
        abortSignal: signal,
      })
      const [input_tokens, output_tokens] = [usage.inputTokens ?? null, usage.outputTokens ?? null]
      return { value: output, input_tokens, output_tokens, cost: this.#count(input_tokens, output_tokens) }
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
