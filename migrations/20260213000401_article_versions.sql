-- Up Migration

-- Every text that an article ever had, kept by the database whoever writes it. Publishing changes an article's version and
-- not its text, so the versions kept have gaps.
create table kb_article_versions (
  organization_id uuid not null references organizations (id),
  article_id uuid not null,
  version integer not null,
  title text not null,
  content text not null,
  is_internal boolean not null,
  category_id uuid,
  saved_at timestamptz not null default now(),
  primary key (organization_id, article_id, version),
  foreign key (organization_id, article_id) references kb_articles (organization_id, id) on delete cascade
);

insert into kb_article_versions (organization_id, article_id, version, title, content, is_internal, category_id, saved_at)
select organization_id, id, version, title, content, is_internal, category_id, updated_at from kb_articles;

create function keep_article_version() returns trigger language plpgsql as $$
begin
  insert into kb_article_versions (organization_id, article_id, version, title, content, is_internal, category_id)
  values (new.organization_id, new.id, new.version, new.title, new.content, new.is_internal, new.category_id)
  on conflict (organization_id, article_id, version) do nothing;
  return null;
end
$$;
create trigger kb_articles_keep_first_version after insert on kb_articles for each row execute function keep_article_version();
create trigger kb_articles_keep_version after update of title, content, is_internal, category_id on kb_articles for each row
  when ((old.title, old.content, old.is_internal, old.category_id) is distinct from (new.title, new.content, new.is_internal, new.category_id))
  execute function keep_article_version();

-- One vote a user on a suggestion; ticket_kb_suggestions.is_helpful is what most of them say.
create table kb_suggestion_votes (
  organization_id uuid not null references organizations (id),
  suggestion_id uuid not null references ticket_kb_suggestions (id) on delete cascade,
  user_id uuid not null,
  is_helpful boolean not null,
  voted_at timestamptz not null default now(),
  primary key (organization_id, suggestion_id, user_id),
  foreign key (organization_id, user_id) references users (organization_id, id)
);
create index kb_suggestion_votes_of_suggestion on kb_suggestion_votes (suggestion_id);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['kb_article_versions', 'kb_suggestion_votes'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('create policy tenant on %I to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization())', tenant_table);
    execute format('grant select, insert, update, delete on %I to atum_app, atum_system', tenant_table);
  end loop;
end
$$;

-- Down Migration

drop table kb_suggestion_votes;
drop trigger kb_articles_keep_version on kb_articles;
drop trigger kb_articles_keep_first_version on kb_articles;
drop function keep_article_version();
drop table kb_article_versions;
