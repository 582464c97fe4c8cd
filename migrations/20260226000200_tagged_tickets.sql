-- Up Migration

-- Which tickets have all of some tags, where these are few: a list then reads them and no others. As with search_tickets, no
-- index would be asked under row-level security; so this runs as the owner, names the bound organisation itself, and tells
-- numbers alone. Null where more than `most` tickets have the tags: those a list soon meets by itself.
create index tickets_tagged on tickets using gin (tags);
create function tagged_numbers(wanted text[], most integer) returns integer[]
  language sql stable security definer set search_path = public, pg_temp
  begin atomic
  select case when count(*) <= most then coalesce(array_agg(number), '{}') end
    from (select number from tickets where organization_id = bound_organization() and tags @> wanted limit most + 1) tagged;
end;
revoke execute on function tagged_numbers(text[], integer) from public;
grant execute on function tagged_numbers(text[], integer) to atum_app;

-- Down Migration

drop function tagged_numbers(text[], integer);
drop index tickets_tagged;
