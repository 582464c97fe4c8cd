-- Up Migration

-- An event is entered into the block filter of its range of pages only where there is one already, and a range gets its
-- filter when the next one begins. But a new partition's first range is born with one: each of its first 3,000 events or
-- so wrote 3.5 kB to the log of PostgreSQL. Without it that range is like the others.
create function leave_first_pages_unsummarised(partition regclass) returns void
  language plpgsql set search_path = public, pg_temp as $$
begin
  perform brin_desummarize_range(index.indexrelid, 0)
     from pg_index index join pg_class on pg_class.oid = index.indexrelid join pg_am on pg_am.oid = pg_class.relam
    where index.indrelid = partition and pg_am.amname = 'brin';
end
$$;
revoke execute on function leave_first_pages_unsummarised(regclass) from public;

create or replace function ensure_job_event_partitions(days_ahead integer) returns integer
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  made integer := 0;
  starts timestamptz;
  partition_name text;
begin
  if days_ahead not between 0 and 60 then
    raise exception 'days_ahead must be between 0 and 60, not %', days_ahead using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(hashtext('job_event_partitions'));
  for offset_days in -1 .. days_ahead loop
    starts := (date_trunc('day', now() at time zone 'UTC') + make_interval(days => offset_days)) at time zone 'UTC';
    partition_name := 'job_events_' || to_char(starts at time zone 'UTC', 'YYYYMMDD');
    if to_regclass(partition_name) is null then
      execute format('create table %I partition of job_events for values from (%L) to (%L)', partition_name, starts, starts + interval '24 hours');
      execute format('alter table %I enable row level security', partition_name);
      perform leave_first_pages_unsummarised(partition_name::regclass);
      made := made + 1;
    end if;
  end loop;
  return made;
end
$$;

select leave_first_pages_unsummarised(inhrelid::regclass) from pg_inherits where inhparent = 'job_events'::regclass;

-- Down Migration

create or replace function ensure_job_event_partitions(days_ahead integer) returns integer
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  made integer := 0;
  starts timestamptz;
  partition_name text;
begin
  if days_ahead not between 0 and 60 then
    raise exception 'days_ahead must be between 0 and 60, not %', days_ahead using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(hashtext('job_event_partitions'));
  for offset_days in -1 .. days_ahead loop
    starts := (date_trunc('day', now() at time zone 'UTC') + make_interval(days => offset_days)) at time zone 'UTC';
    partition_name := 'job_events_' || to_char(starts at time zone 'UTC', 'YYYYMMDD');
    if to_regclass(partition_name) is null then
      execute format('create table %I partition of job_events for values from (%L) to (%L)', partition_name, starts, starts + interval '24 hours');
      execute format('alter table %I enable row level security', partition_name);
      made := made + 1;
    end if;
  end loop;
  return made;
end
$$;
drop function leave_first_pages_unsummarised(regclass);
