-- Up Migration

-- job_kept_keys: unique keys that stay taken until a time, whatever has become of their job by then. A row is written by
-- the enqueue of a job with a period (the others have nothing to do with this table), counts no more where that job failed
-- or was cancelled, is taken over by the next job of its key, and goes with CLEANUP when its time is over.
create table job_kept_keys (
  tenant uuid not null,
  job_type text not null,
  unique_key text not null,
  kept_until timestamptz not null,
  -- Null while the transaction that takes the key has not enqueued its job yet.
  job_id bigint,
  primary key (tenant, job_type, unique_key)
);
alter table job_kept_keys enable row level security;
create policy tenant on job_kept_keys to atum_app using (tenant = bound_organization()) with check (tenant = bound_organization());
create policy installation on job_kept_keys to atum_system using (true) with check (true);
grant select, insert, update, delete on job_kept_keys to atum_app, atum_system;

-- Down Migration

drop table job_kept_keys;
