-- Up Migration

-- What a settled range of ids (job_count_ranges) holds, so that a list of jobs looks only where something may match. It may
-- name kinds that have gone meanwhile, never lack one: jobs that change afterwards are exceptions, and their ranges are
-- looked at in any case. Written by whoever settles, beside the requests; a transition of a job knows nothing of it.
create table job_range_kinds (
  id_range bigint not null,
  status job_status not null check (status in ('done', 'failed', 'cancelled')),
  job_type text not null,
  queue text collate "C" not null,
  tenant uuid not null,
  primary key (id_range, status, job_type, queue, tenant)
);
alter table job_count_ranges
  -- False: settled before kinds were kept; they are gathered by and by, and until then the range may hold anything.
  add column kinds_known boolean not null default false,
  add column created_from timestamptz,
  add column created_to timestamptz;
alter table job_range_kinds enable row level security;
create policy installation on job_range_kinds to atum_system using (true) with check (true);
grant select, insert, delete on job_range_kinds to atum_system;
grant update on job_count_ranges to atum_system;

-- Down Migration

revoke update on job_count_ranges from atum_system;
alter table job_count_ranges drop column kinds_known, drop column created_from, drop column created_to;
drop table job_range_kinds;
