-- Up Migration

-- A slug belongs to its article for good: one that it no longer has leads to the one that it has, and to no other article.
create table kb_article_slugs (
  organization_id uuid not null references organizations (id),
  slug text not null,
  article_id uuid not null,
  since timestamptz not null default now(),
  primary key (organization_id, slug),
  foreign key (organization_id, article_id) references kb_articles (organization_id, id) on delete cascade
);
create index kb_article_slugs_of_article on kb_article_slugs (organization_id, article_id);
insert into kb_article_slugs (organization_id, slug, article_id, since) select organization_id, slug, id, created_at from kb_articles;
create function keep_article_slug() returns trigger language plpgsql as $$
begin
  insert into kb_article_slugs (organization_id, slug, article_id) values (new.organization_id, new.slug, new.id)
  on conflict (organization_id, slug) do update set since = kb_article_slugs.since where kb_article_slugs.article_id = excluded.article_id;
  if not found then
    raise exception 'the slug % leads to another article', new.slug using errcode = 'unique_violation', constraint = 'kb_article_slugs_pkey';
  end if;
  return null;
end
$$;
create trigger kb_articles_keep_first_slug after insert on kb_articles for each row execute function keep_article_slug();
create trigger kb_articles_keep_slug after update of slug on kb_articles for each row when (old.slug <> new.slug) execute function keep_article_slug();

-- What readers say of an article: one word each, which may change.
create table kb_article_feedback (
  organization_id uuid not null references organizations (id),
  article_id uuid not null,
  user_id uuid not null,
  is_helpful boolean not null,
  comment text check (length(comment) between 1 and 2000),
  article_version integer not null,
  at timestamptz not null default now(),
  primary key (organization_id, article_id, user_id),
  foreign key (organization_id, article_id) references kb_articles (organization_id, id) on delete cascade,
  foreign key (organization_id, user_id) references users (organization_id, id)
);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['kb_article_slugs', 'kb_article_feedback'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('create policy tenant on %I to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization())', tenant_table);
    execute format('grant select, insert, update, delete on %I to atum_app, atum_system', tenant_table);
  end loop;
end
$$;

create index rag_documents_title on rag_documents using gin (to_tsvector('english', title));

-- Who may see a document is asked of its source as it is now: the index follows it a moment later. Customers see articles
-- that are published and internal neither themselves nor by their category; staff those and solved tickets.
create function rag_document_is_visible(organization uuid, type text, source uuid, sees_internal boolean) returns boolean
  language sql stable
  return case type
    when 'kb' then exists (
      select from kb_articles article
        left join kb_categories category on category.organization_id = article.organization_id and category.id = article.category_id
       where article.organization_id = organization and article.id = source and is_published
         and (sees_internal or not (article.is_internal or coalesce(category.is_internal, false))))
    else sees_internal and exists (
      select from tickets ticket where ticket.organization_id = organization and ticket.id = source and status in ('resolved', 'closed'))
  end;

-- As with search_tickets: the index is asked for words before the policy would look at every row, so this runs as the owner
-- and names the bound organisation itself. The best passage of each document, or its first one where the title alone matches.
create function search_rag(words tsquery, sees_internal boolean, most integer) returns table (document_id uuid, chunk_index integer, rank real)
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
revoke execute on function search_rag(tsquery, boolean, integer) from public;
grant execute on function search_rag(tsquery, boolean, integer) to atum_app;

-- Down Migration

drop function search_rag(tsquery, boolean, integer);
drop function rag_document_is_visible(uuid, text, uuid, boolean);
drop index rag_documents_title;
drop table kb_article_feedback;
drop trigger kb_articles_keep_slug on kb_articles;
drop trigger kb_articles_keep_first_slug on kb_articles;
drop function keep_article_slug();
drop table kb_article_slugs;
