-- Up Migration

-- A window of the log is read by its time. Events come in that order, so a summary of each 256 kB finds a window at next to no
-- cost for who writes: no entry an event, one short row a range.
create index job_events_by_time on job_events using brin (at) with (pages_per_range = 32, autosummarize = on);
create index ticket_transitions_by_time on ticket_transitions (organization_id, at);

-- Who has a ticket open now. A row lives for a minute unless its owner comes again, and is worth nothing after a crash.
create unlogged table ticket_presence (
  organization_id uuid not null references organizations (id) on delete cascade,
  ticket_id uuid not null,
  user_id uuid not null,
  is_writing boolean not null,
  seen_at timestamptz not null default now(),
  primary key (organization_id, ticket_id, user_id),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  foreign key (organization_id, user_id) references users (organization_id, id) on delete cascade
);
alter table ticket_presence enable row level security;
create policy tenant on ticket_presence to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization());
grant select, insert, update, delete on ticket_presence to atum_app, atum_system;

-- What keeps dead rows from being removed: the oldest snapshot of a session, a slot or a prepared transaction. The service's
-- role does not see other roles' sessions, so it asks the owner.
create function database_horizon() returns table (held_by text, transactions_old bigint, seconds_old double precision)
  language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select * from (
    select 'session ' || pid || coalesce(' of ' || nullif(application_name, ''), ''), greatest(age(backend_xmin), age(backend_xid))::bigint,
           extract(epoch from clock_timestamp() - xact_start)::float8
      from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null and coalesce(backend_xmin, backend_xid) is not null
    union all
    select 'prepared transaction ' || gid, age(transaction)::bigint, extract(epoch from clock_timestamp() - prepared)::float8
      from pg_prepared_xacts where database = current_database()
    union all
    select 'replication slot ' || slot_name, greatest(age(xmin), age(catalog_xmin))::bigint, null
      from pg_replication_slots where coalesce(xmin, catalog_xmin) is not null
  ) as holder order by 2 desc nulls last limit 5
$$;
revoke execute on function database_horizon() from public;
grant execute on function database_horizon() to atum_system;

-- Down Migration

drop function database_horizon();
drop table ticket_presence;
drop index ticket_transitions_by_time;
drop index job_events_by_time;
