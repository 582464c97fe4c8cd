import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { embedMany } from 'ai'
import { metrics } from '#metrics.ts'
import type { EmbeddingsEndpoint } from './embeddings-config.ts'
import { boundedFetch, NoAnswer, RemoteModel } from './remote-model.ts'

/** Texts that go in one call. */
export const TEXTS_PER_CALL = 32
/** So many vectors of the longest kind, each number written out. */
const MAX_ANSWER_BYTES = 4_194_304

export interface Embedded {
  vectors: number[][]
  tokens: number | null
  seconds: number
}

/** A model that makes vectors of texts, behind an endpoint. */
export class EmbeddingModel extends RemoteModel {
  readonly config: EmbeddingsEndpoint

  constructor(config: EmbeddingsEndpoint) {
    super({ name: 'the embedding model', url: config.EMBEDDINGS_URL, breakAfter: config.EMBEDDINGS_BREAK_AFTER, breakMs: config.EMBEDDINGS_BREAK_MS })
    this.config = config
  }

  /** The name under which its vectors are kept: those of different models say nothing to each other. */
  get model(): string {
    return this.config.EMBEDDINGS_MODEL
  }

  /**
   * The vectors of texts, in their order.
   *
   * @param patience `search`: somebody waits, so that it is asked once and briefly
   * @throws NoAnswer where the endpoint does not answer, or with what are no such vectors
   */
  async embed(texts: readonly string[], patience: 'job' | 'search', signal: AbortSignal): Promise<Embedded> {
    const { EMBEDDINGS_TIMEOUT_MS, EMBEDDINGS_SEARCH_MS } = this.config
    const began = performance.now()
    const bounds = patience === 'job' ? { retries: 1, timeoutMs: EMBEDDINGS_TIMEOUT_MS } : { retries: 0, timeoutMs: EMBEDDINGS_SEARCH_MS }
    try {
      const embedded = await this.call((each) => this.#once(texts, each), { ...bounds, signal })
      metrics.embeddingCalls.inc({ model: this.model, outcome: 'answered' })
      return { ...embedded, seconds: (performance.now() - began) / 1_000 }
    } catch (error) {
      if (error instanceof NoAnswer) metrics.embeddingCalls.inc({ model: this.model, outcome: error.kind })
      throw error
    }
  }

  async #once(texts: readonly string[], signal: AbortSignal): Promise<Omit<Embedded, 'seconds'>> {
    const { EMBEDDINGS_URL, EMBEDDINGS_API_KEY, EMBEDDINGS_DIMENSIONS, EMBEDDINGS_SHORTEN } = this.config
    const provider = createOpenAICompatible({
      name: 'embeddings',
      baseURL: EMBEDDINGS_URL,
      ...(EMBEDDINGS_API_KEY ? { apiKey: EMBEDDINGS_API_KEY } : {}),
      fetch: boundedFetch(MAX_ANSWER_BYTES),
    })
    const { embeddings, usage } = await embedMany({
      model: provider.embeddingModel(this.model),
      values: [...texts],
      ...(EMBEDDINGS_SHORTEN ? { dimensions: EMBEDDINGS_DIMENSIONS } : {}),
      maxRetries: 0,
      abortSignal: signal,
    })
    if (embeddings.length !== texts.length) throw new NoAnswer('refused', 'the embedding model answered with another number of vectors')
    const odd = embeddings.find((vector) => vector.length !== EMBEDDINGS_DIMENSIONS)
    if (odd) throw new NoAnswer('refused', `the embedding model has vectors of ${odd.length} numbers, and EMBEDDINGS_DIMENSIONS says ${EMBEDDINGS_DIMENSIONS}`)
    if (!embeddings.every(isDirection)) throw new NoAnswer('refused', 'the embedding model answered with what points nowhere')
    return { vectors: embeddings, tokens: Number.isFinite(usage.tokens) ? usage.tokens : null }
  }
}

/** Numbers that single precision holds, not all 0: anything else has no angle to another. */
const isDirection = (vector: readonly number[]): boolean =>
  vector.every((value) => Number.isFinite(Math.fround(value))) && vector.some((value) => Math.fround(value) !== 0)

let known: { key: string; model: EmbeddingModel } | null = null

/** The process's one embedding model of this configuration: its circuit is everybody's. */
export function embeddingModel(config: EmbeddingsEndpoint): EmbeddingModel {
  const key = JSON.stringify(config)
  if (known?.key !== key) known = { key, model: new EmbeddingModel(config) }
  return known.model
}
