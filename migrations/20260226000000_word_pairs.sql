-- Up Migration

-- A phrase of two words that are everywhere was looked for in each of the many texts that hold both. So beside its words and
-- buckets a text holds which words stand next to each other: of each pair three digits of a hash, a lexeme that no text of
-- anybody's can hold (it has a space). The index then finds the few texts that may hold the phrase.
create function word_pair(word text, following text) returns text
  language sql immutable parallel safe
  return ' ' || to_hex(hashtext(word || ' ' || following) & 4095);
-- By a window: half of what joining the words with themselves costs.
create function word_pairs(words tsvector) returns tsvector
  language sql immutable parallel safe
  begin atomic
  select array_to_tsvector(coalesce(array_agg(distinct word_pair(lexeme, following)), '{}'))
    from (select lexeme, position, lead(lexeme) over places as following, lead(position) over places as following_position
            from unnest(words) as word (lexeme, positions, weights), unnest(positions) as position
          window places as (order by position)) placed
   where following_position = position + 1;
end;
create function searchable(words tsvector, organization uuid, number integer) returns tsvector
  language sql immutable parallel safe
  return words || ticket_buckets(organization, number) || word_pairs(words);

-- The pairs that every text must hold which these words find; null where there are none, or none that are plain to see (the
-- words are then looked for as before).
create function pairs_sought(words tsquery) returns tsquery
  language sql immutable parallel safe
  return (select string_agg('''' || word_pair(lexeme, following) || '''', ' & ')::tsquery
            from (select token[1] as lexeme, token[2] is not null as is_followed, lead(token[1]) over (order by place) as following
                    from regexp_matches(words::text, '''([^'']*)''( <-> (?=''))?', 'g') with ordinality as found (token, place)) token
           where is_followed and words::text !~ '[|:\\]|''''|!\s*\(');

-- The whole table is written anew, with its index.
alter table ticket_texts alter column words type tsvector using words || word_pairs(words);

create or replace function keep_ticket_text() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into ticket_texts (organization_id, ticket_id, number, requester_id, words)
  values (new.organization_id, new.id, new.number, new.requester_id,
          searchable(ticket_words(new.subject, new.description), new.organization_id, new.number))
  on conflict (organization_id, ticket_id, comment_id) do update set words = excluded.words, requester_id = excluded.requester_id;
  return null;
end
$$;

create or replace function keep_comment_text() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into ticket_texts (organization_id, ticket_id, comment_id, number, requester_id, is_internal, words)
  select ticket.organization_id, ticket.id, new.id, number, requester_id, new.is_internal,
         searchable(to_tsvector('english', new.content), ticket.organization_id, number)
    from tickets ticket where ticket.organization_id = new.organization_id and ticket.id = new.ticket_id
  on conflict (organization_id, ticket_id, comment_id) do update set words = excluded.words, is_internal = excluded.is_internal;
  return null;
end
$$;

create or replace function search_tickets(words tsquery, viewer uuid, sees text, most integer) returns table (ticket_id uuid, number integer, rank real)
  language plpgsql stable security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  organization constant uuid := bound_organization();
  enough constant integer := most * 2 / 5;
  pairs constant tsquery := pairs_sought(words);
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
    wanted := case when pairs is null then words else words && pairs end;
    if buckets <= newest >> bits then
      wanted := wanted && (select string_agg('''' || ticket_bucket(organization, bucket << bits, bits) || '''', ' | ')::tsquery
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

-- Down Migration

create or replace function search_tickets(words tsquery, viewer uuid, sees text, most integer) returns table (ticket_id uuid, number integer, rank real)
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
create or replace function keep_comment_text() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into ticket_texts (organization_id, ticket_id, comment_id, number, requester_id, is_internal, words)
  select ticket.organization_id, ticket.id, new.id, number, requester_id, new.is_internal,
         to_tsvector('english', new.content) || ticket_buckets(ticket.organization_id, number)
    from tickets ticket where ticket.organization_id = new.organization_id and ticket.id = new.ticket_id
  on conflict (organization_id, ticket_id, comment_id) do update set words = excluded.words, is_internal = excluded.is_internal;
  return null;
end
$$;
create or replace function keep_ticket_text() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  insert into ticket_texts (organization_id, ticket_id, number, requester_id, words)
  values (new.organization_id, new.id, new.number, new.requester_id,
          ticket_words(new.subject, new.description) || ticket_buckets(new.organization_id, new.number))
  on conflict (organization_id, ticket_id, comment_id) do update set words = excluded.words, requester_id = excluded.requester_id;
  return null;
end
$$;
alter table ticket_texts alter column words type tsvector using ts_delete(words, tsvector_to_array(word_pairs(words)));
drop function pairs_sought(tsquery);
drop function searchable(tsvector, uuid, integer);
drop function word_pairs(tsvector);
drop function word_pair(text, text);
