-- Up Migration

-- What a search reads: the words of each ticket and of each comment, kept as they are ranked, so that ranking parses no text.
-- Beside its words a text holds the buckets of its ticket's number, of 1,024 and of 65,536 tickets: lexemes that no text of
-- anybody's can hold (they have a space). The index then finds a word among an organisation's newest tickets without
-- reading all that hold it.
create function ticket_bucket(organization uuid, number integer, bits integer) returns text
  language sql immutable parallel safe
  return '#' || bits || left(organization::text, 8) || ' ' || (number >> bits);
create function ticket_buckets(organization uuid, number integer) returns tsvector
  language sql immutable parallel safe
  return array_to_tsvector(array[ticket_bucket(organization, number, 10), ticket_bucket(organization, number, 16)]);

create table ticket_texts (
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  comment_id uuid,
  number integer not null,
  requester_id uuid not null,
  is_internal boolean not null default false,
  words tsvector not null,
  unique nulls not distinct (organization_id, ticket_id, comment_id),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  foreign key (organization_id, comment_id) references comments (organization_id, id) on delete cascade
);

insert into ticket_texts (organization_id, ticket_id, number, requester_id, words)
select organization_id, id, number, requester_id,
       ticket_words(subject, description) || ticket_buckets(organization_id, number)
  from tickets order by number;
insert into ticket_texts (organization_id, ticket_id, comment_id, number, requester_id, is_internal, words)
select ticket.organization_id, ticket.id, comment.id, number, requester_id, is_internal,
       to_tsvector('english', content) || ticket_buckets(ticket.organization_id, number)
  from comments comment join tickets ticket on ticket.organization_id = comment.organization_id and ticket.id = comment.ticket_id;

-- A short pending list: what is not in the index yet is read by every search.
create index ticket_texts_words on ticket_texts using gin (words) with (gin_pending_list_limit = 256);
create index ticket_texts_of_requester on ticket_texts (organization_id, requester_id, number desc);
drop index tickets_search;
drop index comments_search;

alter table ticket_texts enable row level security;
create policy tenant on ticket_texts to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization());
grant select on ticket_texts to atum_app, atum_system;

-- Written by the database whoever writes a ticket or a comment.
create function keep_ticket_text() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into ticket_texts (organization_id, ticket_id, number, requester_id, words)
  values (new.organization_id, new.id, new.number, new.requester_id,
          ticket_words(new.subject, new.description) || ticket_buckets(new.organization_id, new.number))
  on conflict (organization_id, ticket_id, comment_id) do update set words = excluded.words, requester_id = excluded.requester_id;
  return null;
end
$$;
create trigger tickets_keep_text after insert on tickets for each row execute function keep_ticket_text();
create trigger tickets_keep_new_text after update of subject, description, requester_id on tickets for each row
  when ((old.subject, old.description, old.requester_id) is distinct from (new.subject, new.description, new.requester_id))
  execute function keep_ticket_text();

create function keep_comment_text() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into ticket_texts (organization_id, ticket_id, comment_id, number, requester_id, is_internal, words)
  select ticket.organization_id, ticket.id, new.id, number, requester_id, new.is_internal,
         to_tsvector('english', new.content) || ticket_buckets(ticket.organization_id, number)
    from tickets ticket where ticket.organization_id = new.organization_id and ticket.id = new.ticket_id
  on conflict (organization_id, ticket_id, comment_id) do update set words = excluded.words, is_internal = excluded.is_internal;
  return null;
end
$$;
create trigger comments_keep_text after insert or update of content, is_internal on comments for each row execute function keep_comment_text();

drop function search_tickets(tsquery, uuid, text, integer);

-- Row-level security keeps PostgreSQL from asking an index for words (the operator is not leakproof) before it has looked
-- at every row of the organisation. So this function runs as the owner, and names itself what the policy would: the bound
-- organisation. Within it, somebody finds what they may read: the own tickets, those of customers, or all; internal
-- comments only with all. It ranks at most `most` texts, those of the newest tickets that match. It looks into the newest
-- bucket of 1,024 tickets first, then into 4 or 16, into 2 or 6 of 65,536 where those promise enough, else into all:
-- so that a word that is everywhere costs no more than one that is rare. Of one's own texts the newest 20 * `most` are
-- looked at.
create function search_tickets(words tsquery, viewer uuid, sees text, most integer) returns table (ticket_id uuid, number integer, rank real)
  language plpgsql stable security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  organization constant uuid := bound_organization();
  enough constant integer := most * 2 / 5;
  newest integer;
  bits integer := 10;
  buckets integer := 1;
  wanted tsquery;
  tickets uuid[];
  numbers integer[];
  ranks real[];
  found integer;
begin
  if organization is null or numnode(words) = 0 then return; end if;
  if sees = 'own' then
    return query
      select own.ticket_id, own.number, max(ts_rank(own.words, search_tickets.words))
        from (select ticket_texts.ticket_id, ticket_texts.number, ticket_texts.words from ticket_texts
               where organization_id = organization and requester_id = viewer and not is_internal order by number desc limit most * 20) own
       where own.words @@ search_tickets.words
       group by own.ticket_id, own.number;
    return;
  end if;
  select last_ticket_number into newest from organizations where id = organization;
  loop
    wanted := words;
    if buckets <= newest >> bits then
      wanted := words && (select string_agg('''' || ticket_bucket(organization, bucket << bits, bits) || '''', ' | ')::tsquery
                            from generate_series((newest >> bits) - buckets + 1, newest >> bits) bucket);
    else
      buckets := null;
    end if;
    select array_agg(hit.ticket_id), array_agg(hit.number), array_agg(ts_rank(hit.words, search_tickets.words)), count(*)
      into tickets, numbers, ranks, found
      from (select text.ticket_id, text.number, text.words
              from (select * from ticket_texts where ticket_texts.words @@ wanted offset 0) text
             where organization_id = organization
               and (sees = 'all' or (not is_internal and (requester_id = viewer or exists (
                 select from users requester where requester.id = requester_id and requester.role in ('customer_user', 'customer_admin')))))
             order by number desc limit most) hit;
    exit when buckets is null or found >= enough;
    if bits = 16 then
      buckets := case when buckets = 2 and found * 3 >= enough then 6 end;
    elsif buckets = 16 then
      bits := 16;
      buckets := case when found * 8 >= enough then 2 when found * 24 >= enough then 6 end;
    else
      buckets := case when buckets = 1 and found * 4 >= enough then 4 else 16 end;
    end if;
  end loop;
  return query
    select ranked.ticket_id, ranked.number, max(ranked.rank) from unnest(tickets, numbers, ranks) as ranked (ticket_id, number, rank)
     group by ranked.ticket_id, ranked.number;
end
$$;
revoke execute on function search_tickets(tsquery, uuid, text, integer) from public;
grant execute on function search_tickets(tsquery, uuid, text, integer) to atum_app;

-- Down Migration

drop function search_tickets(tsquery, uuid, text, integer);
drop trigger comments_keep_text on comments;
drop trigger tickets_keep_new_text on tickets;
drop trigger tickets_keep_text on tickets;
drop function keep_comment_text();
drop function keep_ticket_text();
drop table ticket_texts;
drop function ticket_buckets(uuid, integer);
drop function ticket_bucket(uuid, integer, integer);
create index tickets_search on tickets using gin (ticket_words(subject, description));
create index comments_search on comments using gin (to_tsvector('english', content));
create function search_tickets(words tsquery, viewer uuid, sees text, most integer) returns table (ticket_id uuid, rank real)
  language sql stable security definer set search_path = public, pg_temp
  begin atomic
  with visible_ticket as (
    select ticket.id, ts_rank(ticket_words(subject, description), words) as rank
      from tickets ticket
     where ticket.organization_id = bound_organization() and ticket_words(subject, description) @@ words
       and (sees = 'all' or requester_id = viewer or (sees = 'customers' and exists (
         select from users requester where requester.id = requester_id and requester.role in ('customer_user', 'customer_admin'))))
     order by ticket.created_at desc limit most
  ), visible_comment as (
    select comment.ticket_id as id, ts_rank(to_tsvector('english', content), words) as rank
      from comments comment join tickets ticket on ticket.organization_id = comment.organization_id and ticket.id = comment.ticket_id
     where comment.organization_id = bound_organization() and to_tsvector('english', content) @@ words and (sees = 'all' or not is_internal)
       and (sees = 'all' or requester_id = viewer or (sees = 'customers' and exists (
         select from users requester where requester.id = requester_id and requester.role in ('customer_user', 'customer_admin'))))
     order by comment.created_at desc limit most
  )
  select id, max(found.rank) from (select * from visible_ticket union all select * from visible_comment) found group by id;
end;
revoke execute on function search_tickets(tsquery, uuid, text, integer) from public;
grant execute on function search_tickets(tsquery, uuid, text, integer) to atum_app;
