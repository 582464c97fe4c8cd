import { z } from 'zod'
import type { RagLink, SourceType } from './rag-links.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const source = z.object({
  title: z.string(),
  content: z.string(),
  visibility: z.enum(['public', 'internal']),
})
/** What is indexed of an article or a solved ticket. */
export type RagSource = z.infer<typeof source>

/** The source as it is now; null where there is none to index (withdrawn, not solved, gone). */
export async function readRagSource(db: CommonQueryMethods, type: SourceType, id: string): Promise<RagSource | null> {
  if (type === 'kb') {
    return db.maybeOne(sql.type(source)`
      select title, content, case when article.is_internal or coalesce(category.is_internal, false) then 'internal' else 'public' end as visibility
        from kb_articles article left join kb_categories category on category.organization_id = article.organization_id and category.id = article.category_id
       where article.organization_id = bound_organization() and article.id = ${id} and is_published`)
  }
  return db.maybeOne(sql.type(source)`
    select subject as title,
           concat_ws(E'\n\n', ticket.description, (
             select string_agg(comment.content, E'\n\n' order by comment.created_at) from comments comment
              where comment.organization_id = ticket.organization_id and comment.ticket_id = ticket.id and not comment.is_internal and not comment.is_ai_generated)) as content,
           'internal' as visibility
      from tickets ticket where ticket.organization_id = bound_organization() and ticket.id = ${id} and status in ('resolved', 'closed')`)
}

/** The hash of what is indexed of a source; null where it is not indexed. */
export async function indexedHash(db: CommonQueryMethods, type: SourceType, id: string): Promise<Buffer | null> {
  const row = await db.maybeOne(sql.type(z.object({ content_hash: z.instanceof(Buffer) }))`
    select content_hash from rag_documents where organization_id = bound_organization() and source_type = ${type} and source_id = ${id}`)
  return row?.content_hash ?? null
}

/** Takes a source out of the index and its edges out of the graph; what others link to it keeps its place until it comes back. */
export async function removeRagDocument(db: CommonQueryMethods, type: SourceType, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`
    delete from rag_documents where organization_id = bound_organization() and source_type = ${type} and source_id = ${id}`)
  await db.query(sql.typeAlias('void')`
    delete from rag_edges using rag_nodes node
     where rag_edges.organization_id = bound_organization() and node.organization_id = bound_organization()
       and from_node = node.id and node_type = ${type} and node_key = ${id}`)
  await db.query(sql.typeAlias('void')`
    delete from rag_nodes node where organization_id = bound_organization() and node_type = ${type} and node_key = ${id}
       and not exists (select from rag_edges edge where edge.organization_id = node.organization_id and edge.to_node = node.id)`)
}

/** So many chunks say in which language a document is. */
const TELLING_CHUNKS = 2

export interface RagDocument {
  source_type: SourceType
  source_id: string
  title: string
  visibility: 'public' | 'internal'
  content_hash: Buffer
  chunks: readonly string[]
  links: readonly RagLink[]
}

/** Puts a document, its chunks and its edges in the place of the former ones, whole or not at all (the caller's transaction). */
export async function replaceRagDocument(db: CommonQueryMethods, document: RagDocument): Promise<void> {
  const { id } = await db.one(sql.type(z.object({ id: z.string() }))`
    insert into rag_documents (organization_id, source_type, source_id, title, visibility, content_hash, language)
    values (bound_organization(), ${document.source_type}, ${document.source_id}, ${document.title}, ${document.visibility}, ${sql.binary(document.content_hash)},
            text_language(${[document.title, ...document.chunks.slice(0, TELLING_CHUNKS)].join(' ')}))
    on conflict (organization_id, source_type, source_id) do update
      set title = excluded.title, language = excluded.language, visibility = excluded.visibility, content_hash = excluded.content_hash, indexed_at = now()
    returning id`)
  await db.query(sql.typeAlias('void')`delete from rag_chunks where organization_id = bound_organization() and document_id = ${id}`)
  await db.query(sql.typeAlias('void')`
    insert into rag_chunks (organization_id, document_id, chunk_index, content)
    select bound_organization(), ${id}, ordinal - 1, content from unnest(${sql.array(document.chunks, 'text')}) with ordinality as chunk (content, ordinal)`)
  await replaceLinks(db, document)
}

async function replaceLinks(db: CommonQueryMethods, document: RagDocument): Promise<void> {
  const from = await upsertNode(db, document.source_type, document.source_id, document.title)
  await db.query(sql.typeAlias('void')`delete from rag_edges where organization_id = bound_organization() and from_node = ${from}`)
  for (const { node_type, node_key, label, edge_type, weight } of document.links) {
    const to = await upsertNode(db, node_type, node_key, label)
    await db.query(sql.typeAlias('void')`
      insert into rag_edges (organization_id, from_node, to_node, edge_type, weight) values (bound_organization(), ${from}, ${to}, ${edge_type}, ${weight})
      on conflict (organization_id, from_node, edge_type, to_node) do update set weight = excluded.weight`)
  }
}

async function upsertNode(db: CommonQueryMethods, type: RagLink['node_type'], key: string, label: string): Promise<string> {
  const row = await db.one(sql.type(z.object({ id: z.string() }))`
    insert into rag_nodes (organization_id, node_type, node_key, label) values (bound_organization(), ${type}, ${key}, ${label})
    on conflict (organization_id, node_type, node_key) do update set label = excluded.label returning id`)
  return row.id
}
