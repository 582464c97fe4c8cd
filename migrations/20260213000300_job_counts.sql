-- Up Migration

-- How many jobs stand in which state, at a cost that does not grow with the jobs that have ended. Ids are cut into ranges
-- of 5,000. A range in which nearly all jobs have ended is settled: its ended jobs are added to job_counts, the few live
-- ones are noted as exceptions, and none of its other rows is read again. The count of any moment is job_counts, plus the
-- exceptions and the ranges that are not settled, read as they are: exact, by one statement under one snapshot.
create function job_range(job_id bigint) returns bigint language sql immutable parallel safe return job_id / 5000;

-- Sums to be added up: whoever changes a number appends a row, so that nobody waits for a row that is hot.
create table job_counts (
  tenant uuid not null,
  job_type text not null,
  queue text collate "C" not null,
  status job_status not null check (status in ('done', 'failed', 'cancelled')),
  jobs bigint not null
);
create table job_count_ranges (
  id_range bigint primary key
);
create table job_count_exceptions (
  job_id bigint primary key
);

-- Only REQUEUE and retention change a job that has ended. Neither is on the hot path: a claim and an end pay for a
-- condition and no more. The lock is shared among these, and taken alone by whoever settles: a job that is requeued while
-- its range is being settled is seen either as settled, here, or as live, there.
create function uncount_requeued_job() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext('job_counts'));
  if exists (select from job_count_ranges where id_range = job_range(old.id)) then
    insert into job_count_exceptions (job_id) values (old.id) on conflict do nothing;
    if found then
      insert into job_counts (tenant, job_type, queue, status, jobs)
      values (coalesce(old.organization_id, '00000000-0000-0000-0000-000000000000'), old.job_type, old.queue, old.status, -1);
    end if;
  end if;
  return null;
end
$$;
create trigger job_queue_uncounts_requeued after update on job_queue for each row
  when (old.finished_at is not null and new.finished_at is null) execute function uncount_requeued_job();

create function uncount_removed_jobs() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform pg_advisory_xact_lock_shared(hashtext('job_counts'));
  with excepted as (
    delete from job_count_exceptions using removed where job_id = removed.id returning job_id
  )
  insert into job_counts (tenant, job_type, queue, status, jobs)
  select coalesce(organization_id, '00000000-0000-0000-0000-000000000000'), job_type, queue, status, -count(*)
    from removed
   where exists (select from job_count_ranges where id_range = job_range(removed.id)) and not exists (select from excepted where job_id = removed.id)
   group by 1, 2, 3, 4;
  return null;
end
$$;
create trigger job_queue_uncounts_removed after delete on job_queue referencing old table as removed for each statement
  execute function uncount_removed_jobs();

-- The installation's own: a request is answered from what concerns its organisation, by a statement that names it.
alter table job_counts enable row level security;
alter table job_count_ranges enable row level security;
alter table job_count_exceptions enable row level security;
create policy installation on job_counts to atum_system using (true) with check (true);
create policy installation on job_count_ranges to atum_system using (true) with check (true);
create policy installation on job_count_exceptions to atum_system using (true) with check (true);
grant select, insert, delete on job_counts, job_count_ranges, job_count_exceptions to atum_system;

-- Down Migration

drop trigger job_queue_uncounts_removed on job_queue;
drop trigger job_queue_uncounts_requeued on job_queue;
drop function uncount_removed_jobs();
drop function uncount_requeued_job();
drop table job_count_exceptions, job_count_ranges, job_counts;
drop function job_range(bigint);
