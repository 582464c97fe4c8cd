import { createHash } from 'node:crypto'
import { z } from 'zod'
import { indexedHash, readRagSource, removeRagDocument, replaceRagDocument } from '#db/rag.ts'
import type { RagSource } from '#db/rag.ts'
import { readRagLinks, SOURCE_TYPES } from '#db/rag-links.ts'
import type { RagLink } from '#db/rag-links.ts'
import { articleIndex, solvedIndex } from '#kb/library.ts'
import { passagesOf } from '#kb/passages.ts'
import type { JobType, RunningJob } from './job-type.ts'
import { organizationOf, TICKET_BACKOFF } from './ticket-job.ts'

const CHUNK_CHARS = 1_000
const MAX_CHUNKS = 500
/** How many articles and tickets a document is linked to, and how like they must be. */
const MAX_LINKS = 3
const MIN_RELEVANCE = 0.15

const payload = z.strictObject({ source_type: z.enum(SOURCE_TYPES), source_id: z.uuid() })
type Payload = z.infer<typeof payload>

/** Indexes an article or a solved ticket for retrieval: chunks, and the graph of what it relates to. What did not change is left as it is. */
export const ragIndex: JobType<Payload> = {
  name: 'RAG_INDEX',
  queue: 'ai',
  payload,
  max_attempts: 5,
  timeout_ms: 120_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const { source_type, source_id } = job.payload
    const source = await job.read((db) => readRagSource(db, source_type, source_id))
    if (!source) return { kind: 'succeed', result: { removed: true }, writes: (tx) => removeRagDocument(tx, source_type, source_id) }
    const ownLinks = await job.read((db) => readRagLinks(db, source_type, source_id))
    const content_hash = createHash('sha256')
      .update(JSON.stringify([source, ownLinks]))
      .digest()
    const before = await job.read((db) => indexedHash(db, source_type, source_id))
    if (before?.equals(content_hash)) return { kind: 'succeed', result: { unchanged: true } }
    const chunks = passagesOf(source.content, CHUNK_CHARS).slice(0, MAX_CHUNKS)
    const links = [...ownLinks, ...without(ownLinks, await relatedLinks(job, source))]
    job.signal.throwIfAborted()
    const { title, visibility } = source
    return {
      kind: 'succeed',
      result: { chunks: chunks.length, links: links.length },
      writes: (tx) => replaceRagDocument(tx, { source_type, source_id, title, visibility, content_hash, chunks, links }),
    }
  },
}

/** What somebody has linked needs no likeness to be related. */
function without(own: readonly RagLink[], related: readonly RagLink[]): RagLink[] {
  const known = new Set(own.map(({ node_type, node_key }) => `${node_type} ${node_key}`))
  return related.filter(({ node_type, node_key }) => !known.has(`${node_type} ${node_key}`))
}

/** The nearest other articles and solved tickets, weighted by how like they are. */
async function relatedLinks(job: RunningJob<Payload>, source: RagSource): Promise<RagLink[]> {
  const organizationId = organizationOf(job)
  const query = `${source.title}\n${source.content}`
  const isOther = ({ id }: { id: string }): boolean => id !== job.payload.source_id
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
