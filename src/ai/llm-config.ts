import { z } from 'zod'
import { readVariables } from '#config.ts'

/** Where Ollama listens, whose interface is OpenAI's. */
const OLLAMA_URL = 'http://127.0.0.1:11434/v1'
const price = z.coerce.number().min(0).default(0)

const environment = z.object({
  /** A language model writes drafts; each organisation must want it too (ai_llm_enabled). */
  LLM_ENABLED: z.stringbool().default(false),
  /** An endpoint that speaks OpenAI's chat completions. */
  LLM_URL: z.url({ protocol: /^https?$/ }).default(OLLAMA_URL),
  LLM_MODEL: z.string().min(1).default('llama3.2'),
  LLM_API_KEY: z.string().min(1).optional(),
  /** How long one attempt may take. */
  LLM_TIMEOUT_MS: z.coerce.number().int().min(50).max(120_000).default(20_000),
  /** After this many failures in a row nobody calls the endpoint for a while. */
  LLM_BREAK_AFTER: z.coerce.number().int().min(1).max(100).default(3),
  LLM_BREAK_MS: z.coerce.number().int().min(50).max(3_600_000).default(30_000),
  /** What a million tokens cost, for the ledger; in whatever currency the endpoint bills. */
  LLM_INPUT_PRICE: price,
  LLM_OUTPUT_PRICE: price,
})
export type LlmConfig = z.infer<typeof environment>

/** How a language model is reached. @throws ConfigError that names a wrong variable */
export const readLlmConfig = (variables?: Record<string, string | undefined>): LlmConfig => readVariables(environment, variables)
