-- Up Migration

-- job_leases: what a worker has claimed and not recorded yet, one row a claim. Within milliseconds CLAIM is recorded
-- together with START, and a short job's end with both: one write of the job's row instead of two. Until then the job's row
-- says queued or retried, its place in job_ready is gone, and this row says who has it. Where the worker dies before, its
-- leases become claims (see recordLeases), and those are lost like all others.
--   serial    the worker's own count: no two leases have the same key, also where a fall of the server undid one
--   versions  of each job as it was leased: a job that has moved on since is no longer meant
create table job_leases (
  worker integer not null,
  serial integer not null,
  job_ids bigint[] not null,
  versions integer[] not null,
  leased_at timestamptz not null default now(),
  primary key (worker, serial)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
alter table job_leases alter column job_ids set storage external, alter column versions set storage external;
alter table job_leases enable row level security;
create policy installation on job_leases to atum_system using (true) with check (true);
grant select, insert, update, delete on job_leases to atum_system;
grant select on job_leases to atum_app;

-- One write may record several transitions: CLAIM, START and the outcome of a short job.
create or replace function job_move_is_legal(from_state job_status, to_state job_status, steps integer) returns boolean
  language sql immutable parallel safe
  return case steps
    when 0 then from_state = to_state
    when 1 then case from_state
      when 'queued' then to_state in ('claimed', 'cancelled')
      when 'claimed' then to_state in ('running', 'queued', 'retried', 'failed', 'cancelled')
      when 'running' then to_state in ('done', 'retried', 'failed', 'queued', 'cancelled')
      when 'retried' then to_state in ('claimed', 'cancelled')
      else to_state = 'queued'
    end
    when 2 then case from_state
      when 'claimed' then to_state in ('done', 'retried', 'failed', 'queued', 'cancelled')
      when 'queued' then to_state in ('running', 'queued', 'retried', 'failed', 'cancelled')
      when 'retried' then to_state in ('running', 'queued', 'retried', 'failed', 'cancelled')
      else false
    end
    when 3 then from_state in ('queued', 'retried') and to_state in ('done', 'retried', 'failed', 'queued', 'cancelled')
    else false
  end;

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

-- Down Migration

-- Leased jobs go back to their lanes; whoever has them will find that out when it records.
insert into job_ready (queue, tenant, priority, limit_key, limit_max, run_after, job_id, state)
select job.queue, coalesce(job.organization_id, '00000000-0000-0000-0000-000000000000'), job.priority, coalesce(job.limit_key, ''), job.limit_max, job.run_after, job.id, job.status
  from job_leases lease cross join unnest(lease.job_ids, lease.versions) as leased (job_id, version)
  join job_queue job on job.id = leased.job_id and job.version = leased.version and job.status in ('queued', 'retried')
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
union all
select ready.job_id, job.version, 'claimable and not waiting', format('row in %s', job.status)
  from job_ready ready left join job_queue job on job.id = ready.job_id
 where job.status is null or job.status not in ('queued', 'retried') or job.blocked_by > 0
union all
select slot.job_id, job.version, 'slot without a holder', slot.name
  from job_slots slot left join job_queue job on job.id = slot.job_id
 where job.status is null or job.status not in ('claimed', 'running');

create or replace function job_move_is_legal(from_state job_status, to_state job_status, steps integer) returns boolean
  language sql immutable parallel safe
  return case steps
    when 0 then from_state = to_state
    when 1 then case from_state
      when 'queued' then to_state in ('claimed', 'cancelled')
      when 'claimed' then to_state in ('running', 'queued', 'retried', 'failed', 'cancelled')
      when 'running' then to_state in ('done', 'retried', 'failed', 'queued', 'cancelled')
      when 'retried' then to_state in ('claimed', 'cancelled')
      else to_state = 'queued'
    end
    when 2 then from_state = 'claimed' and to_state in ('done', 'retried', 'failed', 'queued', 'cancelled')
    else false
  end;

drop table job_leases;
