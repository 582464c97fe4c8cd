-- Up Migration

-- A worker's row is its life: one heartbeat a few seconds, no write per job. A lost worker's jobs are rescued.
create table workers (
  id integer generated always as identity primary key,
  name text not null,
  host text not null,
  pid integer not null,
  version text not null,
  queues text[] not null,
  status text not null default 'active' check (status in ('active', 'draining', 'stopped', 'lost')),
  started_at timestamptz not null default now(),
  heartbeat_at timestamptz not null default now(),
  -- When it was lost or stopped, and when no job of its was found any more.
  ended_at timestamptz,
  rescued_at timestamptz,
  event_loop_lag_ms real not null default 0,
  actor_tree jsonb not null default '{}'
) with (fillfactor = 50);
create index workers_to_rescue on workers (id) where ended_at is not null and rescued_at is null;

create table queues (
  name text primary key check (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  paused_at timestamptz,
  -- At most this many of its jobs are held at a time, by all workers together; null: no limit but the workers' own.
  concurrency integer check (concurrency between 1 and 10000),
  -- At most rate_limit jobs are claimed in rate_period_seconds: a bucket that fills evenly. Null: no limit.
  rate_limit integer check (rate_limit between 1 and 1000000),
  rate_period_seconds integer check (rate_period_seconds between 1 and 86400),
  rate_tokens double precision not null default 0,
  rate_refilled_at timestamptz not null default now(),
  -- POST /jobs is refused while more than this wait.
  max_depth integer not null default 1000000 check (max_depth between 1 and 100000000),
  constraint rate_is_whole check ((rate_limit is null) = (rate_period_seconds is null)),
  updated_at timestamptz not null default now()
);

-- One row a schedule and one a slot: the primary key of the slot is why two workers never enqueue it twice.
create table schedules (
  name text primary key,
  job_type text not null,
  cron text not null,
  payload jsonb not null default '{}',
  per_organization boolean not null default false,
  is_active boolean not null default true,
  last_slot timestamptz,
  updated_at timestamptz not null default now()
);
create table schedule_slots (
  schedule_name text not null references schedules (name) on delete cascade,
  slot timestamptz not null,
  enqueued integer not null,
  at timestamptz not null default now(),
  primary key (schedule_name, slot)
);

-- What the operator's test job leaves behind: at most one row a job, however often it was run.
create table probe_effects (
  id bigint generated always as identity primary key,
  job_id bigint not null,
  attempt smallint not null,
  marker text not null,
  organization_id uuid,
  at timestamptz not null default now()
);
create index probe_effects_of_job on probe_effects (job_id);

-- The legal edges of the job machine, generated from src/machines/job.ts (npm run machines:sql) and tested equal to it.
create table job_edges (
  event job_event not null,
  from_state job_status,
  to_state job_status not null,
  unique nulls not distinct (event, from_state, to_state)
);
insert into job_edges (event, from_state, to_state) values
  ('ENQUEUE', null, 'queued'),
  ('CLAIM', 'queued', 'claimed'),
  ('CANCEL', 'queued', 'cancelled'),
  ('START', 'claimed', 'running'),
  ('RELEASE', 'claimed', 'queued'),
  ('LOSE', 'claimed', 'retried'),
  ('LOSE', 'claimed', 'failed'),
  ('CANCEL', 'claimed', 'cancelled'),
  ('SUCCEED', 'running', 'done'),
  ('FAIL', 'running', 'retried'),
  ('FAIL', 'running', 'failed'),
  ('TIMEOUT', 'running', 'retried'),
  ('TIMEOUT', 'running', 'failed'),
  ('LOSE', 'running', 'retried'),
  ('LOSE', 'running', 'failed'),
  ('SNOOZE', 'running', 'queued'),
  ('RELEASE', 'running', 'queued'),
  ('CANCEL', 'running', 'cancelled'),
  ('CLAIM', 'retried', 'claimed'),
  ('CANCEL', 'retried', 'cancelled'),
  ('REQUEUE', 'done', 'queued'),
  ('REQUEUE', 'failed', 'queued'),
  ('REQUEUE', 'cancelled', 'queued');

-- The same edges as a check on the log: an illegal event cannot be written.
alter table job_events add constraint job_events_are_legal check (
  case event
    when 'ENQUEUE' then from_state is null and to_state = 'queued'
    when 'CLAIM' then from_state in ('queued', 'retried') and to_state = 'claimed'
    when 'START' then from_state = 'claimed' and to_state = 'running'
    when 'SUCCEED' then from_state = 'running' and to_state = 'done'
    when 'FAIL' then from_state = 'running' and to_state in ('retried', 'failed')
    when 'TIMEOUT' then from_state = 'running' and to_state in ('retried', 'failed')
    when 'LOSE' then from_state in ('claimed', 'running') and to_state in ('retried', 'failed')
    when 'RELEASE' then from_state in ('claimed', 'running') and to_state = 'queued'
    when 'SNOOZE' then from_state = 'running' and to_state = 'queued'
    when 'CANCEL' then from_state in ('queued', 'claimed', 'running', 'retried') and to_state = 'cancelled'
    when 'REQUEUE' then from_state in ('done', 'failed', 'cancelled') and to_state = 'queued'
    else false
  end is true
);

-- And as a guard on the row. One write may record several transitions (START and the outcome of a short job), so a move
-- is judged by how many versions it takes. Inlined into the trigger's condition: a legal write calls no function.
create function job_move_is_legal(from_state job_status, to_state job_status, steps integer) returns boolean
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

create function refuse_illegal_job_move() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    raise exception 'a job begins in queued with version 1, not in % with version %', new.status, new.version using errcode = 'check_violation';
  end if;
  raise exception 'job % may not go from % to % in % step(s)', old.id, old.status, new.status, new.version - old.version
    using errcode = 'check_violation', hint = 'A job moves by its machine, and each transition adds one to version and one row to job_events.';
end
$$;
create trigger job_queue_begins_queued before insert on job_queue for each row
  when (new.status <> 'queued' or new.version <> 1) execute function refuse_illegal_job_move();
create trigger job_queue_moves_legally before update on job_queue for each row
  when (not job_move_is_legal(old.status, new.status, new.version - old.version)) execute function refuse_illegal_job_move();

-- A hand that changes when or where a waiting job runs (never the engine) keeps its place in job_ready true.
create function follow_waiting_job() returns trigger language plpgsql as $$
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
create trigger job_queue_keeps_its_place after update on job_queue for each row
  when (old.version = new.version and new.status in ('queued', 'retried')
    and (old.queue, old.priority, old.run_after, old.limit_key) is distinct from (new.queue, new.priority, new.run_after, new.limit_key))
  execute function follow_waiting_job();

-- What in the log breaks the machine's rules. Empty, or there is a fault in the engine.
create view job_log_violations with (security_invoker = true) as
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

alter table probe_effects enable row level security;
create policy tenant on probe_effects to atum_app using (organization_id = bound_organization()) with check (organization_id = bound_organization());
create policy installation on probe_effects to atum_system using (true) with check (true);
grant select, insert on probe_effects to atum_app, atum_system;

-- No tenant's data: the engine's own tables.
grant select on job_edges, job_log_violations, queues, schedules to atum_app;
grant select, insert, update, delete on workers, queues, schedules, schedule_slots to atum_system;
grant select on job_edges, job_log_violations to atum_system;

-- Down Migration

drop view job_log_violations;
drop trigger job_queue_keeps_its_place on job_queue;
drop function follow_waiting_job();
drop trigger job_queue_moves_legally on job_queue;
drop trigger job_queue_begins_queued on job_queue;
drop function refuse_illegal_job_move();
drop function job_move_is_legal(job_status, job_status, integer);
alter table job_events drop constraint job_events_are_legal;
drop table job_edges, probe_effects, schedule_slots, schedules, queues, workers;
