-- Up Migration

-- A job that a worker has under a lease still reads queued, and has no place. A hand that changed its priority or when it is
-- due gave it one, and another worker received it too: the handler ran twice, and its place outlived it. A new place is now
-- given only for one that was taken away; whose place a claim takes at the same moment has been waited for by then.
create or replace function follow_waiting_job() returns trigger language plpgsql as $$
declare
  alone bigint;
  bundled bigint;
begin
  delete from job_ready
   where queue = old.queue and tenant = coalesce(old.organization_id, '00000000-0000-0000-0000-000000000000')
     and priority = old.priority and limit_key = coalesce(old.limit_key, '') and run_after = old.run_after and job_id = old.id;
  get diagnostics alone = row_count;
  update job_bundles set job_ids = array_remove(job_ids, old.id)
   where queue = old.queue and tenant = coalesce(old.organization_id, '00000000-0000-0000-0000-000000000000')
     and priority = old.priority and run_after = old.run_after and last_id >= old.id and old.id = any(job_ids);
  get diagnostics bundled = row_count;
  delete from job_bundles
   where queue = old.queue and tenant = coalesce(old.organization_id, '00000000-0000-0000-0000-000000000000')
     and priority = old.priority and run_after = old.run_after and last_id >= old.id and job_ids = '{}';
  if new.blocked_by = 0 and alone + bundled > 0 then
    insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
    values (new.queue, coalesce(new.organization_id, '00000000-0000-0000-0000-000000000000'), new.priority, coalesce(new.limit_key, ''), new.limit_max, new.run_after, new.id, new.status);
  end if;
  return null;
end
$$;

-- Down Migration

create or replace function follow_waiting_job() returns trigger language plpgsql as $$
begin
  delete from job_ready
   where queue = old.queue and tenant = coalesce(old.organization_id, '00000000-0000-0000-0000-000000000000')
     and priority = old.priority and limit_key = coalesce(old.limit_key, '') and run_after = old.run_after and job_id = old.id;
  update job_bundles set job_ids = array_remove(job_ids, old.id)
   where queue = old.queue and tenant = coalesce(old.organization_id, '00000000-0000-0000-0000-000000000000')
     and priority = old.priority and run_after = old.run_after and last_id >= old.id and old.id = any(job_ids);
  delete from job_bundles
   where queue = old.queue and tenant = coalesce(old.organization_id, '00000000-0000-0000-0000-000000000000')
     and priority = old.priority and run_after = old.run_after and last_id >= old.id and job_ids = '{}';
  if new.blocked_by = 0 then
    insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
    values (new.queue, coalesce(new.organization_id, '00000000-0000-0000-0000-000000000000'), new.priority, coalesce(new.limit_key, ''), new.limit_max, new.run_after, new.id, new.status);
  end if;
  return null;
end
$$;
