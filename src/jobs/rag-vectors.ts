import { createHash } from 'node:crypto'
import { TEXTS_PER_CALL } from '#ai/embedding-model.ts'
import { hasEndpoint, readEmbeddingsConfig } from '#ai/embeddings-config.ts'
import { NoAnswer } from '#ai/remote-model.ts'
import { noteDependency } from '#db/dependencies.ts'
import { documentsWithoutVectors, embeddingsFault, knownVectors, passagesOfSource, readEmbeddingsStanding, replaceVectors, vectorText } from '#db/embeddings.ts'
import type { SourceType } from '#db/rag-links.ts'
import { cleaned, embedNoted, usableModel } from '#kb/vectors.ts'
import type { Sender } from '#kb/vectors.ts'
import type { Outcome, RunningJob } from './job-type.ts'

/** Documents that one run of the schedule sends to be filled. */
const MISSING_MAX = 1_000
/** How long a document waits while the endpoint is left alone. */
const CLOSED_MS = 60_000

/** A job as a sender of texts. */
export const senderOf = (job: RunningJob<unknown>, ticketId: string | null): Sender => ({
  read: (work) => job.read(work),
  note: (seen) => job.read((db) => noteDependency(db, seen)),
  ticket_id: ticketId,
  job_id: job.id,
})

/** Makes the vectors of a document's passages; of a text that has one already nothing is sent. */
export async function fillVectors(job: RunningJob<unknown>, source: { source_type: SourceType; source_id: string }): Promise<Outcome> {
  const model = await job.read(usableModel)
  if ('reason' in model) return { kind: 'succeed', result: { skipped: model.reason } }
  const indexed = await job.read((db) => passagesOfSource(db, source.source_type, source.source_id))
  if (!indexed) return { kind: 'succeed', result: { skipped: 'it is not indexed any more' } }
  if (model.isOpen) return { kind: 'snooze', delay_ms: CLOSED_MS }
  const { document, passages } = indexed
  const known = await job.read((db) => knownVectors(db, document.id, model.model))
  const texts = passages.map(({ chunk_index, title, content, names }) => {
    const clean = cleaned(`${title}\n${content}`, names)
    return { chunk_index, ...clean, text_hash: createHash('sha256').update(clean.text).digest('hex') }
  })
  const unknown = texts.filter(({ text_hash }) => !known.has(text_hash))
  const vectors = new Map<string, string>()
  const sender = senderOf(job, source.source_type === 'ticket' ? source.source_id : null)
  for (let at = 0; at < unknown.length; at += TEXTS_PER_CALL) {
    job.progress(at / unknown.length, 'vectors')
    const some = unknown.slice(at, at + TEXTS_PER_CALL)
    try {
      const made = await embedNoted(sender, model, some, 'job', job.signal)
      for (const [index, { text_hash }] of some.entries()) vectors.set(text_hash, vectorText(made[index]!))
    } catch (error) {
      // Another attempt would be answered in the same way.
      if (error instanceof NoAnswer && error.kind === 'refused') return { kind: 'succeed', result: { skipped: error.message } }
      throw error
    }
  }
  const rows = texts.map(({ chunk_index, text_hash }) => ({ chunk_index, text_hash, vector: vectors.get(text_hash) ?? null }))
  return {
    kind: 'succeed',
    result: { vectors: rows.length, sent: unknown.length },
    writes: async (tx) => void (await replaceVectors(tx, document, model.model, rows)),
  }
}

/** Documents whose vectors are missing, of another model or older than they are: an endpoint was set, changed, or away for long. */
export async function missingVectors(job: RunningJob<unknown>): Promise<readonly { organization_id: string; source_type: SourceType; source_id: string }[]> {
  const config = readEmbeddingsConfig()
  if (!hasEndpoint(config)) return []
  return job.read(async (db) => {
    if (embeddingsFault(await readEmbeddingsStanding(db), config.EMBEDDINGS_DIMENSIONS) !== null) return []
    return documentsWithoutVectors(db, config.EMBEDDINGS_MODEL, MISSING_MAX)
  })
}
