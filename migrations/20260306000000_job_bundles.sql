-- Up Migration

-- job_bundles: one place in a lane for many jobs of one call, where job_ready has one each. ENQUEUE in bulk adds a row for
-- up to a hundred jobs, CLAIM takes the row, or the jobs at its beginning. Whoever moves one of them elsewhere takes it out.
--   job_ids  in the order of their turn; each is meant in its first version only, and stands in no other place meanwhile
--   last_id  the greatest that it was made with: no two bundles have the same
-- A table of its own, so that a worker of before, which would take the place for a single job's, does not see it.
create table job_bundles (
  queue text collate "C" not null,
  tenant uuid not null,
  priority smallint not null,
  run_after timestamptz not null,
  last_id bigint not null,
  job_ids bigint[] not null,
  primary key (queue, tenant, priority, run_after, last_id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
alter table job_bundles alter column job_ids set storage plain;
alter table job_bundles enable row level security;
create policy tenant on job_bundles to atum_app using (tenant = bound_organization()) with check (tenant = bound_organization());
create policy installation on job_bundles to atum_system using (true) with check (true);
grant select, insert, update, delete on job_bundles to atum_app, atum_system;

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

create or replace view job_log_violations with (security_invoker = true) as
with horizon as (
  select coalesce(to_timestamp(min(substr(relname, 12)), 'YYYYMMDD'), '-infinity') as kept_from
    from pg_inherits join pg_class on pg_class.oid = inhrelid
   where inhparent = 'job_events'::regclass and relname ~ '^job_events_\d{8}$'
), log as (
  select job_id, seq, event, from_state, to_state, attempt, at,
         lag(seq) over by_seq as previous_seq,
         lag(to_state) over by_seq as previous_state,
         lag(attempt) over by_seq as previous_attempt,
         lead(seq) over by_seq is null as is_last
    from job_events window by_seq as (partition by job_id order by seq)
)
select job_id, seq, 'illegal edge' as rule, format('%s from %s to %s', event, from_state, to_state) as detail
  from log where not exists (
    select from job_edges edge where edge.event = log.event and edge.from_state is not distinct from log.from_state and edge.to_state = log.to_state)
union all
select job_id, seq, 'gap', format('follows %s', previous_seq) from log where seq <> previous_seq + 1
union all
select job_id, seq, 'broken chain', format('leaves %s after reaching %s', from_state, previous_state)
  from log where seq = previous_seq + 1 and from_state is distinct from previous_state
union all
select job_id, seq, 'wrong attempt', format('%s after %s at %s', attempt, previous_attempt, event)
  from log where seq = previous_seq + 1 and attempt <> case event
    when 'CLAIM' then previous_attempt + 1
    when 'RELEASE' then previous_attempt - 1
    when 'SNOOZE' then previous_attempt - 1
    when 'REQUEUE' then 0
    else previous_attempt end
union all
select log.job_id, log.seq, 'missing beginning', format('first event is %s', log.event)
  from log join job_queue job on job.id = log.job_id, horizon
 where log.previous_seq is null and log.seq <> 1 and job.created_at >= horizon.kept_from
union all
select log.job_id, log.seq, 'row and log differ', format('row: %s v%s attempt %s; log: %s v%s attempt %s', job.status, job.version, job.attempt, log.to_state, log.seq, log.attempt)
  from log join job_queue job on job.id = log.job_id
 where log.is_last and (job.status <> log.to_state or job.version <> log.seq or job.attempt <> log.attempt)
union all
select log.job_id, log.seq, 'job vanished', format('last seen in %s', log.to_state)
  from log where log.is_last and log.to_state not in ('done', 'failed', 'cancelled') and not exists (select from job_queue job where job.id = log.job_id)
union all
select job.id, job.version, 'no log', format('row in %s', job.status)
  from job_queue job, horizon
 where job.created_at >= horizon.kept_from and not exists (select from job_events event where event.job_id = job.id)
union all
select job.id, job.version, 'waits in no lane', format('row in %s', job.status)
  from job_queue job
 where job.status in ('queued', 'retried') and job.blocked_by = 0 and not exists (
   select from job_ready ready
    where ready.queue = job.queue and ready.tenant = coalesce(job.organization_id, '00000000-0000-0000-0000-000000000000')
      and ready.priority = job.priority and ready.limit_key = coalesce(job.limit_key, '') and ready.run_after = job.run_after and ready.job_id = job.id and ready.state = job.status)
   and (job.version > 1 or not exists (
   select from job_bundles bundle cross join unnest(bundle.job_ids) as member (job_id)
    where member.job_id = job.id and bundle.queue = job.queue and bundle.tenant = coalesce(job.organization_id, '00000000-0000-0000-0000-000000000000')
      and bundle.priority = job.priority and bundle.run_after = job.run_after))
   and not exists (
   select from job_leases lease cross join unnest(lease.job_ids, lease.versions) as leased (job_id, version)
    where leased.job_id = job.id and leased.version = job.version)
union all
select ready.job_id, job.version, 'claimable and not waiting', format('row in %s', job.status)
  from job_ready ready left join job_queue job on job.id = ready.job_id
 where job.status is null or job.status not in ('queued', 'retried') or job.blocked_by > 0
union all
select job.id, job.version, 'claimable and not waiting', format('row in %s', job.status)
  from job_bundles bundle cross join unnest(bundle.job_ids) as member (job_id) join job_queue job on job.id = member.job_id and job.version = 1
 where job.status <> 'queued' or job.blocked_by > 0 or job.limit_key is not null
    or (job.queue, coalesce(job.organization_id, '00000000-0000-0000-0000-000000000000'), job.priority, job.run_after)
       is distinct from (bundle.queue, bundle.tenant, bundle.priority, bundle.run_after)
union all
select ready.job_id, job.version, 'two places', 'in a bundle and alone'
  from job_ready ready join job_queue job on job.id = ready.job_id and job.version = 1
  join (select unnest(job_ids) as job_id from job_bundles) as member on member.job_id = ready.job_id
union all
select slot.job_id, job.version, 'slot without a holder', slot.name
  from job_slots slot left join job_queue job on job.id = slot.job_id
 where job.status is null or job.status not in ('claimed', 'running');

-- Down Migration

-- Each job gets its own place again.
insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
select job.queue, coalesce(job.organization_id, '00000000-0000-0000-0000-000000000000'), job.priority, coalesce(job.limit_key, ''), job.limit_max, job.run_after, job.id, job.status
  from job_bundles bundle cross join unnest(bundle.job_ids) as member (job_id)
  join job_queue job on job.id = member.job_id and job.version = 1 and job.status = 'queued'
on conflict do nothing;

create or replace view job_log_violations with (security_invoker = true) as
with horizon as (
  select coalesce(to_timestamp(min(substr(relname, 12)), 'YYYYMMDD'), '-infinity') as kept_from
    from pg_inherits join pg_class on pg_class.oid = inhrelid
   where inhparent = 'job_events'::regclass and relname ~ '^job_events_\d{8}$'
), log as (
  select job_id, seq, event, from_state, to_state, attempt, at,
         lag(seq) over by_seq as previous_seq,
         lag(to_state) over by_seq as previous_state,
         lag(attempt) over by_seq as previous_attempt,
         lead(seq) over by_seq is null as is_last
    from job_events window by_seq as (partition by job_id order by seq)
)
select job_id, seq, 'illegal edge' as rule, format('%s from %s to %s', event, from_state, to_state) as detail
  from log where not exists (
    select from job_edges edge where edge.event = log.event and edge.from_state is not distinct from log.from_state and edge.to_state = log.to_state)
union all
select job_id, seq, 'gap', format('follows %s', previous_seq) from log where seq <> previous_seq + 1
union all
select job_id, seq, 'broken chain', format('leaves %s after reaching %s', from_state, previous_state)
  from log where seq = previous_seq + 1 and from_state is distinct from previous_state
union all
select job_id, seq, 'wrong attempt', format('%s after %s at %s', attempt, previous_attempt, event)
  from log where seq = previous_seq + 1 and attempt <> case event
    when 'CLAIM' then previous_attempt + 1
    when 'RELEASE' then previous_attempt - 1
    when 'SNOOZE' then previous_attempt - 1
    when 'REQUEUE' then 0
    else previous_attempt end
union all
select log.job_id, log.seq, 'missing beginning', format('first event is %s', log.event)
  from log join job_queue job on job.id = log.job_id, horizon
 where log.previous_seq is null and log.seq <> 1 and job.created_at >= horizon.kept_from
union all
select log.job_id, log.seq, 'row and log differ', format('row: %s v%s attempt %s; log: %s v%s attempt %s', job.status, job.version, job.attempt, log.to_state, log.seq, log.attempt)
  from log join job_queue job on job.id = log.job_id
 where log.is_last and (job.status <> log.to_state or job.version <> log.seq or job.attempt <> log.attempt)
union all
select log.job_id, log.seq, 'job vanished', format('last seen in %s', log.to_state)
  from log where log.is_last and log.to_state not in ('done', 'failed', 'cancelled') and not exists (select from job_queue job where job.id = log.job_id)
union all
select job.id, job.version, 'no log', format('row in %s', job.status)
  from job_queue job, horizon
 where job.created_at >= horizon.kept_from and not exists (select from job_events event where event.job_id = job.id)
union all
select job.id, job.version, 'waits in no lane', format('row in %s', job.status)
  from job_queue job
 where job.status in ('queued', 'retried') and job.blocked_by = 0 and not exists (
   select from job_ready ready
    where ready.queue = job.queue and ready.tenant = coalesce(job.organization_id, '00000000-0000-0000-0000-000000000000')
      and ready.priority = job.priority and ready.limit_key = coalesce(job.limit_key, '') and ready.run_after = job.run_after and ready.job_id = job.id and ready.state = job.status)
   and not exists (
   select from job_leases lease cross join unnest(lease.job_ids, lease.versions) as leased (job_id, version)
    where leased.job_id = job.id and leased.version = job.version)
union all
select ready.job_id, job.version, 'claimable and not waiting', format('row in %s', job.status)
  from job_ready ready left join job_queue job on job.id = ready.job_id
 where job.status is null or job.status not in ('queued', 'retried') or job.blocked_by > 0
union all
select slot.job_id, job.version, 'slot without a holder', slot.name
  from job_slots slot left join job_queue job on job.id = slot.job_id
 where job.status is null or job.status not in ('claimed', 'running');

create or replace function follow_waiting_job() returns trigger language plpgsql as $$
begin
  delete from job_ready
   where queue = old.queue and tenant = coalesce(old.organization_id, '00000000-0000-0000-0000-000000000000')
     and priority = old.priority and limit_key = coalesce(old.limit_key, '') and run_after = old.run_after and job_id = old.id;
  if new.blocked_by = 0 then
    insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
    values (new.queue, coalesce(new.organization_id, '00000000-0000-0000-0000-000000000000'), new.priority, coalesce(new.limit_key, ''), new.limit_max, new.run_after, new.id, new.status);
  end if;
  return null;
end
$$;

drop table job_bundles;
