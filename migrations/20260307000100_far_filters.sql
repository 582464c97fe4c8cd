-- Up Migration

-- A list in the order of numbers that asks for a range of dates passes all that are newer: by this index it passes entries, not
-- tickets.
create index tickets_numbers_by_date on tickets (organization_id, number, created_at);

-- Whether a tag is common the newest tickets say; where it is, the entries of all that have it are not read before they are
-- found to be too many.
create or replace function tagged_numbers(wanted text[], most integer) returns integer[]
  language sql stable security definer set search_path = public, pg_temp
  begin atomic
  select case
    when (select count(*) from (select tags from tickets where organization_id = bound_organization() order by number desc limit 1000) newest
           where newest.tags @> wanted) < 25
    then (select case when count(*) <= most then coalesce(array_agg(number), '{}') end
            from (select number from tickets where organization_id = bound_organization() and tags @> wanted limit most + 1) tagged)
  end;
end;

-- Down Migration

create or replace function tagged_numbers(wanted text[], most integer) returns integer[]
  language sql stable security definer set search_path = public, pg_temp
  begin atomic
  select case when count(*) <= most then coalesce(array_agg(number), '{}') end
    from (select number from tickets where organization_id = bound_organization() and tags @> wanted limit most + 1) tagged;
end;
drop index tickets_numbers_by_date;
