import { createHash } from 'node:crypto'
import { z } from 'zod'
import { indexedHash, readRagSource, removeRagDocument, replaceRagDocument } from '#db/rag.ts'
import type { RagSource } from '#db/rag.ts'
import { readRagLinks, SOURCE_TYPES } from '#db/rag-links.ts'
import type { RagLink } from '#db/rag-links.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import { articleIndex, solvedIndex } from '#kb/library.ts'
import { passagesOf } from '#kb/passages.ts'
import { usableModel } from '#kb/vectors.ts'
import { newJob, PermanentFailure } from './job-type.ts'
import type { JobType, Outcome, RunningJob } from './job-type.ts'
import { fillVectors, missingVectors } from './rag-vectors.ts'
import { organizationOf, TICKET_BACKOFF } from './ticket-job.ts'

const CHUNK_CHARS = 1_000
const MAX_CHUNKS = 500
/** How many articles and tickets a document is linked to, and how like they must be. */
const MAX_LINKS = 3
const MIN_RELEVANCE = 0.15

const source = z.strictObject({
  source_type: z.enum(SOURCE_TYPES),
  source_id: z.uuid(),
  vectors: z.boolean().describe('Makes its vectors, once it is indexed').optional(),
})
const payload = z.union([source, z.strictObject({ missing_vectors: z.literal(true) })])
type Source = z.infer<typeof source>
type Payload = z.infer<typeof payload>

/**
 * Indexes an article or a solved ticket for retrieval: chunks, and the graph of what it relates to. What did not change is left as it is.
 * Its vectors are made by a job of their own, since their endpoint may be away. Without an organisation, by the schedule, it has
 * those made that are missing.
 */
export const ragIndex: JobType<Payload> = {
  name: 'RAG_INDEX',
  queue: 'ai',
  payload,
  max_attempts: 5,
  timeout_ms: 120_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'either',
  run: (job) => {
    const { payload: wanted } = job
    if ('missing_vectors' in wanted) return sendMissing(job)
    if (job.organization_id === null) throw new PermanentFailure('a document belongs to an organisation')
    return wanted.vectors ? fillVectors(job, wanted) : index(job, wanted)
  },
}

async function index(job: RunningJob<Payload>, { source_type, source_id }: Source): Promise<Outcome> {
  const source = await job.read((db) => readRagSource(db, source_type, source_id))
  if (!source) return { kind: 'succeed', result: { removed: true }, writes: (tx) => removeRagDocument(tx, source_type, source_id) }
  const ownLinks = await job.read((db) => readRagLinks(db, source_type, source_id))
  const content_hash = createHash('sha256')
    .update(JSON.stringify([source, ownLinks]))
    .digest()
  const before = await job.read((db) => indexedHash(db, source_type, source_id))
  if (before?.equals(content_hash)) return { kind: 'succeed', result: { unchanged: true } }
  const chunks = passagesOf(source.content, CHUNK_CHARS).slice(0, MAX_CHUNKS)
  const links = [...ownLinks, ...without(ownLinks, await relatedLinks(job, source_id, source))]
  job.signal.throwIfAborted()
  const { title, visibility } = source
  return {
    kind: 'succeed',
    result: { chunks: chunks.length, links: links.length },
    writes: async (tx) => {
      await replaceRagDocument(tx, { source_type, source_id, title, visibility, content_hash, chunks, links })
      if (!('reason' in (await usableModel(tx)))) await enqueueJobs(tx, [vectorsJob(organizationOf(job), { source_type, source_id })])
    },
  }
}

async function sendMissing(job: RunningJob<Payload>): Promise<Outcome> {
  const missing = await missingVectors(job)
  return {
    kind: 'succeed',
    result: { documents: missing.length },
    writes: async (tx) => {
      await enqueueJobs(
        tx,
        missing.map(({ organization_id, ...one }) => vectorsJob(organization_id, one)),
      )
    },
  }
}

/** One such job of a document waits or runs at a time. */
const vectorsJob = (organizationId: string, { source_type, source_id }: Omit<Source, 'vectors'>): NewJob =>
  newJob(ragIndex, organizationId, { source_type, source_id, vectors: true }, { unique_key: `vectors ${source_type} ${source_id}` })

/** What somebody has linked needs no likeness to be related. */
function without(own: readonly RagLink[], related: readonly RagLink[]): RagLink[] {
  const known = new Set(own.map(({ node_type, node_key }) => `${node_type} ${node_key}`))
  return related.filter(({ node_type, node_key }) => !known.has(`${node_type} ${node_key}`))
}

/** The nearest other articles and solved tickets, weighted by how like they are. */
async function relatedLinks(job: RunningJob<Payload>, sourceId: string, source: RagSource): Promise<RagLink[]> {
  const organizationId = organizationOf(job)
  const query = `${source.title}\n${source.content}`
  const isOther = ({ id }: { id: string }): boolean => id !== sourceId
  const articles = (await articleIndex(organizationId, job)).search(query, MAX_LINKS, isOther)
  const tickets = (await solvedIndex(organizationId, job)).search(query, MAX_LINKS, isOther)
  const link = (node_type: 'kb' | 'ticket', node_key: string, label: string, weight: number): RagLink => ({
    node_type,
    node_key,
    label,
    edge_type: 'relates_to',
    weight,
  })
  return [
    ...articles.filter(({ relevance }) => relevance >= MIN_RELEVANCE).map(({ item, relevance }) => link('kb', item.id, item.title, relevance)),
    ...tickets.filter(({ relevance }) => relevance >= MIN_RELEVANCE).map(({ item, relevance }) => link('ticket', item.id, item.subject, relevance)),
  ]
}
