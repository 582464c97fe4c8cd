-- Up Migration

alter table org_settings add column ai_embeddings_enabled boolean not null default false;
alter table ai_egress drop constraint ai_egress_purpose_check;
alter table ai_egress add constraint ai_egress_purpose_check check (purpose in ('smart_reply', 'embedding'));

-- Vectors need the extension vector (pgvector), which not every server has. Where it is, this makes what needs it: now, with
-- "migrate up" once it is installed, and anew where the vectors get another length. Jobs fill it. For the owner alone.
create function prepare_embeddings(wanted integer) returns text language plpgsql as $prepare$
declare
  present integer;
  tuning text := '';
begin
  if not exists (select from pg_available_extensions where name = 'vector') then return 'unavailable'; end if;
  begin
    create extension if not exists vector;
  exception when insufficient_privilege then
    return 'refused';
  end;
  if to_regtype('vector') is null or not exists (select from pg_am where amname = 'hnsw') then return 'unusable'; end if;
  select atttypmod into present from pg_attribute where attrelid = to_regclass('rag_embeddings') and attname = 'embedding';
  if present = coalesce(wanted, present) then return 'ready'; end if;
  drop function if exists search_rag_vectors(text, text, boolean, integer), rag_documents_without_vectors(text, integer);
  drop table if exists rag_embeddings;

  -- What a passage says, as a vector of a model. text_hash is that of the text that was sent: what has not changed is not sent again.
  execute format('create table rag_embeddings (
    organization_id uuid not null references organizations (id),
    document_id uuid not null,
    chunk_index integer not null check (chunk_index >= 0),
    model text not null,
    text_hash bytea not null,
    embedding vector(%s) not null,
    made_at timestamptz not null default now(),
    primary key (organization_id, document_id, chunk_index),
    foreign key (organization_id, document_id) references rag_documents (organization_id, id) on delete cascade
  )', coalesce(wanted, 768));
  create index rag_embeddings_nearest on rag_embeddings using hnsw (embedding vector_cosine_ops);
  alter table rag_embeddings enable row level security;
  create policy tenant on rag_embeddings to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization());
  grant select, insert, update, delete on rag_embeddings to atum_app, atum_system;

  -- As search_rag: it runs as the owner, names the bound organisation itself, and asks who may see a document of its source as
  -- it is now. An organisation of few vectors is compared with all of them, which misses none; of many, the index is followed
  -- until enough are found that the viewer may see.
  if (select string_to_array(extversion, '.')::integer[] >= '{0,8}' from pg_extension where extname = 'vector') then
    tuning := 'set hnsw.iterative_scan = ''relaxed_order'' set hnsw.ef_search = ''100''';
  end if;
  execute format($create$
    create function search_rag_vectors(query text, wanted_model text, sees_internal boolean, most integer)
      returns table (document_id uuid, chunk_index integer, similarity double precision)
      language plpgsql stable security definer set search_path = public, pg_temp %s as $search$
    #variable_conflict use_column
    declare
      few constant integer := 10000;
    begin
      if (select count(*) from (select from rag_embeddings where organization_id = bound_organization() limit few + 1) counted) <= few then
        return query
          with own as materialized (
            select document_id, chunk_index, embedding <=> query::vector as distance
              from rag_embeddings where organization_id = bound_organization() and model = wanted_model
          ), best as (
            select distinct on (document_id) document_id, chunk_index, distance from own order by document_id, distance
          )
          select best.document_id, best.chunk_index, 1 - distance
            from best join rag_documents document on document.organization_id = bound_organization() and document.id = best.document_id
           where rag_document_is_visible(document.organization_id, document.source_type, document.source_id, sees_internal)
           order by distance, best.document_id limit most;
      else
        return query
          with near as materialized (
            select passage.document_id, passage.chunk_index, passage.embedding <=> query::vector as distance
              from rag_embeddings passage join rag_documents document on document.organization_id = passage.organization_id and document.id = passage.document_id
             where passage.organization_id = bound_organization() and passage.model = wanted_model
               and rag_document_is_visible(document.organization_id, document.source_type, document.source_id, sees_internal)
             order by passage.embedding <=> query::vector limit 4 * most
          ), best as (
            select distinct on (document_id) document_id, chunk_index, distance from near order by document_id, distance
          )
          select best.document_id, best.chunk_index, 1 - distance from best order by distance, best.document_id limit most;
      end if;
    end
    $search$
  $create$, tuning);
  revoke execute on function search_rag_vectors(text, text, boolean, integer) from public;
  grant execute on function search_rag_vectors(text, text, boolean, integer) to atum_app, atum_system;

  -- Documents of organisations that want vectors, of which a passage has none, or an older one. It tells ids alone.
  create function rag_documents_without_vectors(wanted_model text, most integer)
    returns table (organization_id uuid, source_type text, source_id uuid)
    language sql stable security definer set search_path = public, pg_temp as $missing$
    select document.organization_id, document.source_type, document.source_id
      from rag_documents document join org_settings settings on settings.organization_id = document.organization_id and ai_embeddings_enabled
     where exists (
       select from rag_chunks chunk
         left join rag_embeddings known on known.organization_id = chunk.organization_id and known.document_id = chunk.document_id
              and known.chunk_index = chunk.chunk_index and known.model = wanted_model and known.made_at >= document.indexed_at
        where chunk.organization_id = document.organization_id and chunk.document_id = document.id and known.document_id is null)
     order by document.indexed_at desc limit most
  $missing$;
  revoke execute on function rag_documents_without_vectors(text, integer) from public;
  grant execute on function rag_documents_without_vectors(text, integer) to atum_system;
  return 'made';
end
$prepare$;
revoke execute on function prepare_embeddings(integer) from public;
select prepare_embeddings(null);

-- Down Migration

drop function if exists search_rag_vectors(text, text, boolean, integer), rag_documents_without_vectors(text, integer);
drop table if exists rag_embeddings;
drop function prepare_embeddings(integer);
delete from ai_egress where purpose = 'embedding';
alter table ai_egress drop constraint ai_egress_purpose_check;
alter table ai_egress add constraint ai_egress_purpose_check check (purpose in ('smart_reply'));
alter table org_settings drop column ai_embeddings_enabled;
