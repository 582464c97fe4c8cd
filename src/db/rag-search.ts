import { z } from 'zod'
import { SOURCE_TYPES } from './rag-links.ts'
import type { SourceType } from './rag-links.ts'
import { asked, askedLoosely, indexedLanguages } from './search-words.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Documents that are ranked at most, and those from which the graph is followed. */
const RANKED_MAX = 200
const SEEDS = 10
/** What the words say counts as much as what lies near; each is a share of its best. */
const WORDS_SHARE = 0.5
/** What an edge of full weight hands on of a document's score. */
const GRAPH_SHARE = 0.4

const foundDocument = z.object({
  document_id: z.string(),
  source_type: z.enum(SOURCE_TYPES),
  source_id: z.string(),
  title: z.string(),
  chunk_index: z.number(),
  content: z.string(),
  version: z.number().nullable(),
  number: z.number().nullable(),
  score: z.number(),
  lexical_score: z.number(),
  vector_score: z.number(),
  graph_score: z.number(),
  linked_from: z.array(z.object({ title: z.string(), edge: z.string() })),
})
export type FoundDocument = z.infer<typeof foundDocument>

/** Whether a query says how its words are to be taken, which nearness could not honour: a phrase, a minus, an or. */
export const isExactQuery = (words: string): boolean => /"|(^|\s)-\w|\bor\b/i.test(words)

/** What somebody may see of the index. */
export interface RagViewer {
  internal: boolean
}

/** A query as a vector of a model, and how like it a passage must be to be found by it. */
export interface RagVector {
  vector: string
  model: string
  least: number
}

/**
 * Documents of the bound organisation that the viewer may see, by their words, by nearness where there is a
 * vector, and by what the best of them are linked to, the best first; after a score and id where they are given. `words`
 * are as one writes them to a search engine; without quotes or a minus any of them will do, and all of them count double.
 */
export async function searchRag(
  db: CommonQueryMethods,
  viewer: RagViewer,
  wanted: { words: string; source_type: SourceType | null; vector: RagVector | null },
  page: { after: { score: number; id: string } | null; limit: number },
): Promise<readonly FoundDocument[]> {
  const isExact = isExactQuery(wanted.words)
  return db.any(sql.type(foundDocument)`
    with query as materialized (
      select ${asked(wanted.words, indexedLanguages)} as strict,
             ${isExact ? asked(wanted.words, indexedLanguages) : askedLoosely(wanted.words, indexedLanguages)} as loose
    ), found as materialized (
      select found.document_id, found.chunk_index, found.rank * case when chunk.search_vector @@ strict then 2 else 1 end as rank
        from query cross join lateral search_rag(loose, ${viewer.internal}, ${RANKED_MAX}) found
        left join rag_chunks chunk on chunk.organization_id = bound_organization() and chunk.document_id = found.document_id and chunk.chunk_index = found.chunk_index
       where numnode(loose) > 0
    ), near as materialized (
      ${wanted.vector ? nearest(viewer, wanted.vector) : NOTHING_NEAR}
    ), ${fused(viewer)}
     where (${wanted.source_type}::text is null or source_type = ${wanted.source_type}::text)
       and (${page.after?.score ?? null}::float8 is null or (-score, document_id) > (-${page.after?.score ?? null}::float8, ${page.after?.id ?? null}::uuid))
     order by -score, document_id limit ${page.limit}`)
}

/** Documents that were found by other means, with what they are linked to, in the same form and under the same rules. */
export async function rankRag(
  db: CommonQueryMethods,
  viewer: RagViewer,
  hits: readonly { source_type: SourceType; source_id: string; relevance: number }[],
  not: { source_type: SourceType; source_id: string },
  limit: number,
): Promise<readonly FoundDocument[]> {
  return db.any(sql.type(foundDocument)`
    with found as materialized (
      select document.id as document_id, 0 as chunk_index, given.relevance as rank
        from jsonb_to_recordset(${JSON.stringify(hits)}::jsonb) as given (source_type text, source_id uuid, relevance float8)
        join rag_documents document on document.organization_id = bound_organization() and document.source_type = given.source_type and document.source_id = given.source_id
       where rag_document_is_visible(document.organization_id, document.source_type, document.source_id, ${viewer.internal})
      union all
      -- The ticket itself is no answer, but what it is linked to may be.
      select document.id, 0, coalesce((select max(relevance) from jsonb_to_recordset(${JSON.stringify(hits)}::jsonb) as given (relevance float8)), 1)
        from rag_documents document
       where document.organization_id = bound_organization() and document.source_type = ${not.source_type} and document.source_id = ${not.source_id}
    ), near as materialized (
      ${NOTHING_NEAR}
    ), ${fused(viewer)}
     where not (source_type = ${not.source_type} and source_id = ${not.source_id}::uuid)
     order by -score, document_id limit ${limit}`)
}

/** Documents that lie near, and how near between the floor (0) and the nearest of them (1). */
const nearest = (viewer: RagViewer, { vector, model, least }: RagVector) => sql.fragment`
      select document_id, chunk_index, coalesce((similarity - ${least}::float8) / nullif(max(similarity) over () - ${least}::float8, 0), 1) as share
        from search_rag_vectors(${vector}, ${model}, ${viewer.internal}, ${RANKED_MAX}) where similarity >= ${least}::float8`
const NOTHING_NEAR = sql.fragment`select null::uuid as document_id, 0 as chunk_index, 0::float8 as share where false`

/**
 * From `found` (document_id, chunk_index, rank) and `near` (document_id, chunk_index, share) on: shares of the best rank, both
 * together as shares of the best, and what edges in either direction hand on of them.
 */
const fused = (viewer: RagViewer) => sql.fragment`
    lexical as materialized (
      select document_id, chunk_index, (rank / nullif(max(rank) over (), 0))::float8 as share from found
    ), both_ways as (
      select document_id, coalesce(lexical.chunk_index, near.chunk_index) as chunk_index,
             coalesce(lexical.share, 0) as lexical_share, coalesce(near.share, 0) as vector_share,
             case when exists (select from near) then ${WORDS_SHARE}::float8 * coalesce(lexical.share, 0) + (1 - ${WORDS_SHARE}::float8) * coalesce(near.share, 0)
                  else coalesce(lexical.share, 0) end as weight
        from lexical full join near using (document_id)
    ), ranked as materialized (
      select document_id, chunk_index, lexical_share, vector_share, coalesce(weight / nullif(max(weight) over (), 0), 0)::float8 as share from both_ways
    ), seed as (
      select best.document_id, share, document.title, node.id as node_id
        from (select * from ranked order by share desc, document_id limit ${SEEDS}) best
        join rag_documents document on document.organization_id = bound_organization() and document.id = best.document_id
        join rag_nodes node on node.organization_id = bound_organization() and node.node_type = document.source_type and node.node_key = document.source_id::text
    ), edge as (
      select seed.document_id as seed_id, seed.title, seed.share, edge.edge_type, least(1, edge.weight) as weight, edge.to_node as node_id
        from seed join rag_edges edge on edge.organization_id = bound_organization() and edge.from_node = seed.node_id
      union all
      select seed.document_id, seed.title, seed.share, edge.edge_type, least(1, edge.weight), edge.from_node
        from seed join rag_edges edge on edge.organization_id = bound_organization() and edge.to_node = seed.node_id
    ), linked as (
      select document.id as document_id, least(1, sum(edge.share * edge.weight)) * ${GRAPH_SHARE} as graph,
             jsonb_agg(jsonb_build_object('title', edge.title, 'edge', edge_type) order by edge.share * edge.weight desc) as linked_from
        from edge
        join rag_nodes node on node.organization_id = bound_organization() and node.id = edge.node_id and node.node_type in ('kb', 'ticket')
        join rag_documents document on document.organization_id = bound_organization() and document.source_type = node.node_type and document.source_id::text = node.node_key
       where document.id <> edge.seed_id
         and rag_document_is_visible(document.organization_id, document.source_type, document.source_id, ${viewer.internal})
       group by document.id
    ), fused as (
      select document_id, coalesce(ranked.chunk_index, 0) as chunk_index, coalesce(lexical_share, 0)::float8 as lexical_score,
             coalesce(vector_share, 0)::float8 as vector_score, coalesce(graph, 0)::float8 as graph_score,
             (coalesce(share, 0) + coalesce(graph, 0))::float8 as score, coalesce(linked_from, '[]') as linked_from
        from ranked full join linked using (document_id)
    )
    select document_id, source_type, source_id, document.title, chunk_index, coalesce(chunk.content, '') as content,
           (select version from kb_articles article where source_type = 'kb' and article.organization_id = bound_organization() and article.id = source_id) as version,
           (select number from tickets ticket where source_type = 'ticket' and ticket.organization_id = bound_organization() and ticket.id = source_id) as number,
           score, lexical_score, vector_score, graph_score, linked_from
      from fused
      join rag_documents document on document.organization_id = bound_organization() and document.id = document_id
      left join lateral (
        select content from rag_chunks passage
         where passage.organization_id = bound_organization() and passage.document_id = fused.document_id and passage.chunk_index = fused.chunk_index
      ) chunk on true`

const chunk = z.object({ document_id: z.string(), chunk_index: z.number(), content: z.string() })

/** All passages of documents, in their order. */
export async function chunksOf(db: CommonQueryMethods, documentIds: readonly string[]): Promise<readonly z.infer<typeof chunk>[]> {
  return db.any(sql.type(chunk)`
    select document_id, chunk_index, content from rag_chunks
     where organization_id = bound_organization() and document_id = any(${sql.array(documentIds, 'uuid')}) order by document_id, chunk_index`)
}
