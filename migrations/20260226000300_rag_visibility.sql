-- Up Migration

-- Who may see a document is asked of the best ones only, from the top down until there are enough, and not of all that hold a
-- word of the question: of ten thousand articles these are thousands, and asking took longer than ranking. And how close the
-- words stand together is worked out for the thousand passages that hold most of them.
create or replace function search_rag(words tsquery, sees_internal boolean, most integer) returns table (document_id uuid, chunk_index integer, rank real)
  language sql stable security definer set search_path = public, pg_temp
  begin atomic
  with passages as (
    select chunk.document_id, chunk.chunk_index, chunk.search_vector
      from rag_chunks chunk where chunk.organization_id = bound_organization() and chunk.search_vector @@ words
     order by ts_rank(chunk.search_vector, words, 1) desc limit 1000
  ), found as (
    select passages.document_id, passages.chunk_index, ts_rank_cd(passages.search_vector, words, 1) as rank from passages
    union all
    select document.id, 0, 2 * ts_rank_cd(to_tsvector('english', document.title), words, 1)
      from rag_documents document where document.organization_id = bound_organization() and to_tsvector('english', document.title) @@ words
  ), summed as (
    select found.document_id, (array_agg(found.chunk_index order by found.rank desc))[1] as chunk_index, sum(found.rank)::real as rank
      from (select *, row_number() over (partition by found.document_id order by found.rank desc) as place from found) found
     where place <= 3 group by found.document_id
  ), ranked as (
    select summed.*, document.organization_id, document.source_type, document.source_id
      from summed join rag_documents document on document.id = summed.document_id
     where document.organization_id = bound_organization()
     order by summed.rank desc, summed.document_id offset 0
  )
  select ranked.document_id, ranked.chunk_index, ranked.rank from ranked
   where rag_document_is_visible(ranked.organization_id, ranked.source_type, ranked.source_id, sees_internal)
   order by ranked.rank desc, ranked.document_id limit most;
end;

-- Down Migration

create or replace function search_rag(words tsquery, sees_internal boolean, most integer) returns table (document_id uuid, chunk_index integer, rank real)
  language sql stable security definer set search_path = public, pg_temp
  begin atomic
  with found as (
    select chunk.document_id, chunk.chunk_index, ts_rank_cd(chunk.search_vector, words, 1) as rank
      from rag_chunks chunk where chunk.organization_id = bound_organization() and chunk.search_vector @@ words
    union all
    select document.id, 0, 2 * ts_rank_cd(to_tsvector('english', document.title), words, 1)
      from rag_documents document where document.organization_id = bound_organization() and to_tsvector('english', document.title) @@ words
  ), summed as (
    select found.document_id, (array_agg(found.chunk_index order by found.rank desc))[1] as chunk_index, sum(found.rank)::real as rank
      from (select *, row_number() over (partition by found.document_id order by found.rank desc) as place from found) found
     where place <= 3 group by found.document_id
  )
  select summed.document_id, summed.chunk_index, summed.rank
    from summed join rag_documents document on document.id = summed.document_id
   where document.organization_id = bound_organization()
     and rag_document_is_visible(document.organization_id, document.source_type, document.source_id, sees_internal)
   order by summed.rank desc, summed.document_id limit most;
end;
