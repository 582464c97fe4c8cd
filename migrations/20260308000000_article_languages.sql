-- Up Migration

-- A text is stemmed in its own language. Which that is, its small words say: the dictionary that has most of them as stop
-- words; English where none has more, and where hardly any word tells.
create function text_language(content text) returns text
  language sql immutable parallel safe
  begin atomic
  select coalesce((
    select language
      from (select count(*) filter (where ts_lexize('english_stem', word) = '{}') as english,
                   count(*) filter (where ts_lexize('german_stem', word) = '{}') as german,
                   count(*) filter (where ts_lexize('french_stem', word) = '{}') as french,
                   count(*) filter (where ts_lexize('spanish_stem', word) = '{}') as spanish,
                   count(*) filter (where ts_lexize('italian_stem', word) = '{}') as italian,
                   count(*) filter (where ts_lexize('dutch_stem', word) = '{}') as dutch,
                   count(*) filter (where ts_lexize('portuguese_stem', word) = '{}') as portuguese
              from regexp_split_to_table(lower(left(content, 500)), '[[:space:][:punct:]]+') as word) counted
     cross join lateral (values ('german', german), ('french', french), ('spanish', spanish), ('italian', italian), ('dutch', dutch),
                                ('portuguese', portuguese)) as said (language, small_words)
     where small_words > english and small_words > 1
     order by small_words desc limit 1), 'english');
end;
create function words_in(language text, content text) returns tsvector
  language sql immutable parallel safe
  return case language
    when 'german' then to_tsvector('german', content) when 'french' then to_tsvector('french', content)
    when 'spanish' then to_tsvector('spanish', content) when 'italian' then to_tsvector('italian', content)
    when 'dutch' then to_tsvector('dutch', content) when 'portuguese' then to_tsvector('portuguese', content)
    else to_tsvector('english', content) end;

alter table kb_articles drop column search_vector;
alter table kb_articles add column search_vector tsvector generated always as (
  setweight(words_in(text_language(title || ' ' || left(content, 500)), title), 'A')
  || setweight(words_in(text_language(title || ' ' || left(content, 500)), left(content, 100000)), 'B')) stored;
create index kb_articles_search on kb_articles using gin (search_vector);

alter table rag_documents add column language text not null default 'english'
  check (language in ('english', 'german', 'french', 'spanish', 'italian', 'dutch', 'portuguese'));
update rag_documents document set language = text_language(title || ' ' || (
  select coalesce(string_agg(content, ' '), '') from rag_chunks chunk
   where chunk.organization_id = document.organization_id and chunk.document_id = document.id and chunk_index < 2));
create index rag_documents_language on rag_documents (organization_id, language);

drop function search_rag(tsquery, boolean, integer);
drop index rag_documents_title;
create index rag_documents_title on rag_documents using gin (words_in(language, title));
alter table rag_chunks drop column search_vector;
alter table rag_chunks add column search_vector tsvector generated always as (words_in(text_language(content), left(content, 100000))) stored;
create index rag_chunks_search on rag_chunks using gin (search_vector);

create function search_rag(words tsquery, sees_internal boolean, most integer) returns table (document_id uuid, chunk_index integer, rank real)
  language sql stable security definer set search_path = public, pg_temp
  begin atomic
  with passages as (
    select chunk.document_id, chunk.chunk_index, chunk.search_vector
      from rag_chunks chunk where chunk.organization_id = bound_organization() and chunk.search_vector @@ words
     order by ts_rank(chunk.search_vector, words, 1) desc limit 1000
  ), found as (
    select passages.document_id, passages.chunk_index, ts_rank_cd(passages.search_vector, words, 1) as rank from passages
    union all
    select document.id, 0, 2 * ts_rank_cd(words_in(document.language, document.title), words, 1)
      from rag_documents document where document.organization_id = bound_organization() and words_in(document.language, document.title) @@ words
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
revoke execute on function search_rag(tsquery, boolean, integer) from public;
grant execute on function search_rag(tsquery, boolean, integer) to atum_app;

-- Down Migration

drop function search_rag(tsquery, boolean, integer);
drop index rag_documents_title;
alter table rag_documents drop column language;
create index rag_documents_title on rag_documents using gin (to_tsvector('english', title));
alter table rag_chunks drop column search_vector;
alter table rag_chunks add column search_vector tsvector generated always as (to_tsvector('english', left(content, 100000))) stored;
create index rag_chunks_search on rag_chunks using gin (search_vector);
alter table kb_articles drop column search_vector;
alter table kb_articles add column search_vector tsvector generated always as (
  setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', left(content, 100000)), 'B')) stored;
create index kb_articles_search on kb_articles using gin (search_vector);
drop function words_in(text, text);
drop function text_language(text);

create function search_rag(words tsquery, sees_internal boolean, most integer) returns table (document_id uuid, chunk_index integer, rank real)
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
revoke execute on function search_rag(tsquery, boolean, integer) from public;
grant execute on function search_rag(tsquery, boolean, integer) to atum_app;
