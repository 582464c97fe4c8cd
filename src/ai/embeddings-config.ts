import { z } from 'zod'
import { readVariables } from '#config.ts'

/** What an index by nearness can hold. */
const DIMENSIONS_MAX = 2_000

const environment = z.object({
  /** An endpoint that speaks OpenAI's embeddings, as Ollama's does at http://127.0.0.1:11434/v1. Unset: articles are searched by their words alone. */
  EMBEDDINGS_URL: z.url({ protocol: /^https?$/ }).optional(),
  EMBEDDINGS_MODEL: z.string().min(1).max(200).default('nomic-embed-text'),
  EMBEDDINGS_API_KEY: z.string().min(1).optional(),
  /** How many numbers a vector has; after a change "atum-desk migrate up" makes room for them, and jobs fill it anew. */
  EMBEDDINGS_DIMENSIONS: z.coerce.number().int().min(1).max(DIMENSIONS_MAX).default(768),
  /** Asks the endpoint for vectors of that length, for models that can shorten theirs. */
  EMBEDDINGS_SHORTEN: z.stringbool().default(false),
  /** How long a job waits for an answer, and somebody who searches. */
  EMBEDDINGS_TIMEOUT_MS: z.coerce.number().int().min(50).max(120_000).default(20_000),
  EMBEDDINGS_SEARCH_MS: z.coerce.number().int().min(50).max(10_000).default(1_500),
  /** Passages that are less like a query (cosine) are not found by it. */
  EMBEDDINGS_LEAST_SIMILARITY: z.coerce.number().min(0).max(0.99).default(0.6),
  /** After this many failures in a row nobody calls the endpoint for a while. */
  EMBEDDINGS_BREAK_AFTER: z.coerce.number().int().min(1).max(100).default(3),
  EMBEDDINGS_BREAK_MS: z.coerce.number().int().min(50).max(3_600_000).default(30_000),
})
export type EmbeddingsConfig = z.infer<typeof environment>
/** The same, with an endpoint. */
export type EmbeddingsEndpoint = EmbeddingsConfig & { EMBEDDINGS_URL: string }

/** How texts become vectors. @throws ConfigError that names a wrong variable */
export const readEmbeddingsConfig = (variables?: Record<string, string | undefined>): EmbeddingsConfig => readVariables(environment, variables)

export const hasEndpoint = (config: EmbeddingsConfig): config is EmbeddingsEndpoint => config.EMBEDDINGS_URL !== undefined
