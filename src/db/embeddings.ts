import { z } from 'zod'
import { inTurn } from './migrations.ts'
import { SOURCE_TYPES } from './rag-links.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const PREPARED = ['unavailable', 'refused', 'unusable', 'ready', 'made'] as const

/**
 * Makes what vectors need where the server has the extension for them, and makes it anew (empty) for vectors of another
 * length. As the owner.
 *
 * @param dimensions null leaves the length as it is
 * @returns what came of it; null where the database is of an older version
 */
export async function prepareEmbeddings(url: string, dimensions: number | null): Promise<(typeof PREPARED)[number] | null> {
  return inTurn(url, 'vectors', async (client) => {
    const there = await client.query<{ there: boolean }>(`select to_regprocedure('prepare_embeddings(integer)') is not null as there`)
    if (!there.rows[0]?.there) return null
    const { rows } = await client.query<{ outcome: unknown }>('select prepare_embeddings($1) as outcome', [dimensions])
    return z.enum(PREPARED).parse(rows[0]?.outcome)
  })
}

const standing = z.object({ available: z.boolean(), dimensions: z.number().nullable() })
/** Whether the server has the extension, and how long the vectors are for which there is room; null where there is none. */
export type EmbeddingsStanding = z.infer<typeof standing>

export async function readEmbeddingsStanding(db: CommonQueryMethods): Promise<EmbeddingsStanding> {
  return db.one(sql.type(standing)`
    select exists (select from pg_available_extensions where name = 'vector') as available,
           (select atttypmod from pg_attribute where attrelid = to_regclass('rag_embeddings') and attname = 'embedding') as dimensions`)
}

/** Why vectors of this length cannot be kept or compared here; null where they can. */
export function embeddingsFault({ available, dimensions }: EmbeddingsStanding, wanted: number): string | null {
  if (dimensions === wanted) return null
  if (dimensions !== null) return `the database keeps vectors of ${dimensions} numbers, and EMBEDDINGS_DIMENSIONS says ${wanted}. Run: atum-desk migrate up`
  if (!available) return 'the database server has no extension vector (pgvector). Install it, then run: atum-desk migrate up'
  return 'the extension vector is there, and what needs it is not made. Run: atum-desk migrate up (where the owner may not: create extension vector, first)'
}

const indexed = z.object({ id: z.string(), content_hash: z.string() })
/** A document of the index, and of which content. */
export type IndexedDocument = z.infer<typeof indexed>

const chunk = z.object({ chunk_index: z.number(), title: z.string(), content: z.string(), names: z.array(z.string()) })
/** A passage of a document, with its title, and the names of people in it that must not leave. */
export type Passage = z.infer<typeof chunk>

/** The passages of a document of the bound organisation, in their order. */
export async function passagesOfSource(
  db: CommonQueryMethods,
  type: string,
  id: string,
): Promise<{ document: IndexedDocument; passages: readonly Passage[] } | null> {
  const document = await db.maybeOne(sql.type(indexed)`
    select id, encode(content_hash, 'hex') as content_hash from rag_documents
     where organization_id = bound_organization() and source_type = ${type} and source_id = ${id}`)
  if (!document) return null
  const passages = await db.any(sql.type(chunk)`
    select chunk_index, title, content,
           array(select full_name from users person
                  where person.organization_id = document.organization_id and document.source_type = 'ticket'
                    and person.id in (select requester_id from tickets where organization_id = document.organization_id and tickets.id = source_id
                                      union select author_id from comments where organization_id = document.organization_id and ticket_id = source_id)) as names
      from rag_documents document join rag_chunks chunk on chunk.organization_id = document.organization_id and chunk.document_id = document.id
     where document.organization_id = bound_organization() and document.id = ${document.id} order by chunk_index`)
  return { document, passages }
}

/** Of which texts a document has vectors of a model already, as hashes in hex. */
export async function knownVectors(db: CommonQueryMethods, documentId: string, model: string): Promise<ReadonlySet<string>> {
  return new Set(
    await db.anyFirst(sql.type(z.object({ hash: z.string() }))`
      select encode(text_hash, 'hex') as hash from rag_embeddings where organization_id = bound_organization() and document_id = ${documentId} and model = ${model}`),
  )
}

export interface NewVector {
  chunk_index: number
  /** Of the text that it was made from, in hex. */
  text_hash: string
  /** Null for a text of which the document has one. */
  vector: string | null
}

/** Gives the passages of a document these vectors in place of the former ones. One that was indexed anew since waits for its own. @returns whether it did */
export async function replaceVectors(db: CommonQueryMethods, document: IndexedDocument, model: string, vectors: readonly NewVector[]): Promise<boolean> {
  const documentId = document.id
  const held = await db.maybeOne(sql.typeAlias('id')`
    select id from rag_documents
     where organization_id = bound_organization() and id = ${documentId} and encode(content_hash, 'hex') = ${document.content_hash} for no key update`)
  if (!held) return false
  await db.query(sql.typeAlias('void')`
    with given as materialized (
      select chunk_index, decode(text_hash, 'hex') as text_hash, vector
        from jsonb_to_recordset(${JSON.stringify(vectors)}::jsonb) as given (chunk_index int4, text_hash text, vector text)
    ), made as materialized (
      select given.chunk_index, given.text_hash,
             coalesce(given.vector::vector, (select embedding from rag_embeddings known
                where known.organization_id = bound_organization() and known.document_id = ${documentId} and known.model = ${model}
                  and known.text_hash = given.text_hash limit 1)) as embedding
        from given
    ), gone as (
      delete from rag_embeddings where organization_id = bound_organization() and document_id = ${documentId}
         and not (chunk_index in (select chunk_index from made where embedding is not null))
    )
    insert into rag_embeddings (organization_id, document_id, chunk_index, model, text_hash, embedding)
    select bound_organization(), ${documentId}, chunk_index, ${model}, text_hash, embedding from made where embedding is not null
    on conflict (organization_id, document_id, chunk_index) do update
      set model = excluded.model, text_hash = excluded.text_hash, embedding = excluded.embedding, made_at = now()`)
  return true
}

/** A vector as PostgreSQL reads it. */
export const vectorText = (vector: readonly number[]): string => `[${vector.map(Math.fround).join(',')}]`

const missing = z.object({ organization_id: z.string(), source_type: z.enum(SOURCE_TYPES), source_id: z.string() })

/** Documents of any organisation that wants vectors and lacks some of this model. For the installation's role. */
export async function documentsWithoutVectors(db: CommonQueryMethods, model: string, limit: number): Promise<readonly z.infer<typeof missing>[]> {
  return db.any(sql.type(missing)`select organization_id, source_type, source_id from rag_documents_without_vectors(${model}, ${limit}::int4)`)
}

const near = z.object({ source_type: z.enum(SOURCE_TYPES), source_id: z.string(), similarity: z.number() })

/** The documents of the bound organisation that lie nearest to a vector and that the viewer may see, the nearest first. */
export async function nearestDocuments(
  db: CommonQueryMethods,
  viewer: { internal: boolean },
  asked: { vector: string; model: string; least: number },
  limit: number,
): Promise<readonly z.infer<typeof near>[]> {
  return db.any(sql.type(near)`
    select source_type, source_id, similarity
      from search_rag_vectors(${asked.vector}, ${asked.model}, ${viewer.internal}, ${limit}::int4) found
      join rag_documents document on document.organization_id = bound_organization() and document.id = found.document_id
     where similarity >= ${asked.least} order by similarity desc, document.id`)
}
