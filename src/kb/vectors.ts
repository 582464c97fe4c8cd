import { hasEndpoint, readEmbeddingsConfig } from '#ai/embeddings-config.ts'
import { embeddingModel } from '#ai/embedding-model.ts'
import type { EmbeddingModel } from '#ai/embedding-model.ts'
import type { Reader } from '#ai/reader.ts'
import { redact } from '#ai/redaction.ts'
import type { Redactions } from '#ai/redaction.ts'
import { NoAnswer } from '#ai/remote-model.ts'
import type { noteDependency } from '#db/dependencies.ts'
import { endEgress, insertEgress } from '#db/egress.ts'
import { embeddingsFault, nearestDocuments, readEmbeddingsStanding, vectorText } from '#db/embeddings.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import type { RagVector } from '#db/rag-search.ts'
import { readSettings } from '#db/settings.ts'

/** Vectors of what was searched for last: turning a page, or asking again, sends nothing. */
const QUERIES_KEPT = 500
const QUERY_CHARS = 2_000

/** Why there is no vector, in words for whoever asked. */
export interface NoVector {
  reason: string
}

/** The embedding model that the bound organisation's texts may go to, and whose vectors the database can keep. */
export async function usableModel(db: CommonQueryMethods): Promise<EmbeddingModel | NoVector> {
  const config = readEmbeddingsConfig()
  if (!hasEndpoint(config)) return { reason: 'no embedding model is set' }
  if (!(await readSettings(db)).ai_embeddings_enabled) return { reason: 'the organisation wants no embedding model' }
  if (embeddingsFault(await readEmbeddingsStanding(db), config.EMBEDDINGS_DIMENSIONS) !== null) return { reason: 'the database has no room for vectors' }
  return embeddingModel(config)
}

/** Who sends texts, and why. */
export interface Sender extends Reader {
  /** Tells everybody how the endpoint answered. */
  note(seen: Parameters<typeof noteDependency>[1]): Promise<void>
  ticket_id: string | null
  job_id: number | null
}

/** A text without what must not leave. */
export function cleaned(text: string, names: readonly string[]): { text: string; redactions: Redactions } {
  return redact(text.toWellFormed(), names)
}

/**
 * Makes vectors of cleaned texts, in one call with one row in the ledger, which is written before they leave.
 *
 * @throws NoAnswer
 */
export async function embedNoted(
  sender: Sender,
  model: EmbeddingModel,
  texts: readonly { text: string; redactions: Redactions }[],
  patience: 'job' | 'search',
  signal: AbortSignal,
): Promise<number[][]> {
  const { ticket_id, job_id } = sender
  const redactions: Redactions = {}
  for (const each of texts) for (const [kind, count] of Object.entries(each.redactions)) redactions[kind] = (redactions[kind] ?? 0) + count
  const said = texts.map(({ text }) => text)
  const egress = { ticket_id, job_id, purpose: 'embedding' as const, endpoint: model.endpoint, model: model.model, text: said.join('\n\n'), redactions }
  const id = await sender.read((db) => insertEgress(db, egress))
  const began = performance.now()
  let tokens: number | null = null
  let fault: NoAnswer | null = null
  try {
    const answer = await model.embed(said, patience, signal)
    ;({ tokens } = answer)
    return answer.vectors
  } catch (error) {
    fault = error instanceof NoAnswer ? error : new NoAnswer('failed', 'the attempt was broken off')
    throw error
  } finally {
    const end = { outcome: fault?.kind ?? ('answered' as const), detail: fault?.message ?? null, input_tokens: tokens, output_tokens: null, cost: null }
    await sender.read((db) => endEgress(db, id, { ...end, seconds: (performance.now() - began) / 1_000 }))
    await sender.note({ name: 'embedding_model', circuit: model.circuit, answered: end.outcome !== 'failed' })
  }
}

const asked = new Map<string, string>()

/** What is searched for, with the names of people in it that must not leave. */
export interface Query {
  text: string
  names: readonly string[]
}

/** What is searched for as a vector, or why there is none: then words alone must do. */
export async function queryVector(organizationId: string, sender: Sender, query: Query, signal: AbortSignal): Promise<RagVector | NoVector> {
  const model = await sender.read(usableModel)
  if ('reason' in model) return model
  const clean = cleaned(query.text.slice(0, QUERY_CHARS), query.names)
  const key = JSON.stringify([organizationId, model.endpoint, model.model, clean.text])
  const rag = (vector: string): RagVector => ({ vector, model: model.model, least: model.config.EMBEDDINGS_LEAST_SIMILARITY })
  const known = asked.get(key)
  if (known !== undefined) return rag(known)
  if (model.isOpen) return { reason: 'the embedding model failed often, and is left alone for a while' }
  try {
    const [vector] = await embedNoted(sender, model, [clean], 'search', signal)
    asked.set(key, vectorText(vector!))
    if (asked.size > QUERIES_KEPT) asked.delete(asked.keys().next().value!)
    return rag(vectorText(vector!))
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error
    return { reason: error.message }
  }
}

/** A document that lies near, 0 (as far as may be) to 1 (the same). */
export interface Near {
  source_type: 'kb' | 'ticket'
  source_id: string
  nearness: number
}

/** The documents that lie near to a text, the nearest first; none where there is no vector, with the reason. */
export async function nearTo(
  organizationId: string,
  sender: Sender,
  query: Query,
  viewer: { internal: boolean },
  limit: number,
  signal: AbortSignal,
): Promise<{ near: Near[]; reason: string | null }> {
  const vector = await queryVector(organizationId, sender, query, signal)
  if ('reason' in vector) return { near: [], reason: vector.reason }
  const found = await sender.read((db) => nearestDocuments(db, viewer, vector, limit))
  return { near: found.map(({ similarity, ...source }) => ({ ...source, nearness: (similarity - vector.least) / (1 - vector.least) })), reason: null }
}

/** Two measures of one thing, each 0 to 1, as one: at least the greater of them, and more where both speak for it. */
export const together = (relevance: number, nearness: number): number => 1 - (1 - relevance) * (1 - Math.min(1, Math.max(0, nearness)))
