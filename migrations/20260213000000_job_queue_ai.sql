-- Up Migration

-- The job machine's vocabulary. src/machines/job.ts is its definition; a test holds the two equal.
create type job_status as enum ('queued', 'claimed', 'running', 'done', 'failed', 'retried', 'cancelled');
create type job_event as enum ('ENQUEUE', 'CLAIM', 'START', 'SUCCEED', 'FAIL', 'TIMEOUT', 'LOSE', 'RELEASE', 'SNOOZE', 'CANCEL', 'REQUEUE');

-- job_queue: one row a job, and the row is the machine's snapshot.
--   version           number of transitions so far = seq of the last event; every write is fenced by it, and it only grows
--   attempt           CLAIM adds one; RELEASE and SNOOZE take it back; REQUEUE starts at 0
--   run_after         earliest start; the database's clock decides when it has come
--   locked_by/_at     the worker that holds the job and since when; null unless claimed or running
--   unique_key        while a job with this type and key is live, there is no second one
--   limit_key, limit_max  at most limit_max jobs of the organisation with this key are held at a time
--   blocked_by        how many jobs it still waits for; until it is 0 the job stands in no lane
--   has_dependents    others wait for this one
--   progress          what the handler reports while it runs: { "share": 0 to 1, "note": text }
--   cancel_requested_at  an operator asked to cancel a job that a worker holds; the worker aborts the handler, then records CANCEL
-- No index names a column that a transition changes: a transition is a heap-only update, and costs no index entry. What
-- may be claimed stands in job_ready instead.
create table job_queue (
  id bigint generated always as identity primary key,
  organization_id uuid references organizations (id),
  job_type text not null,
  queue text collate "C" not null,
  status job_status not null default 'queued',
  priority smallint not null default 0 check (priority between -100 and 100),
  version integer not null default 1 check (version >= 1),
  attempt smallint not null default 0,
  max_attempts smallint not null check (max_attempts between 1 and 100),
  run_after timestamptz not null default now(),
  locked_by integer,
  locked_at timestamptz,
  cancel_requested_at timestamptz,
  unique_key text check (length(unique_key) <= 200),
  limit_key text check (length(limit_key) between 1 and 200),
  limit_max integer check (limit_max between 1 and 10000),
  blocked_by integer not null default 0 check (blocked_by >= 0),
  has_dependents boolean not null default false,
  progress jsonb,
  payload jsonb not null default '{}',
  result jsonb,
  last_error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  finished_at timestamptz,
  constraint attempts_are_bounded check (attempt between 0 and max_attempts),
  constraint held_jobs_have_a_holder check ((status in ('claimed', 'running')) = (locked_by is not null and locked_at is not null)),
  constraint finished_jobs_have_an_end check ((status in ('done', 'failed', 'cancelled')) = (finished_at is not null))
) with (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
create index job_queue_of_organization on job_queue (organization_id, id);

-- job_ready: the jobs in queued and retried, and nothing else, in the order in which they are claimed: a lane is an
-- organisation's jobs of one priority and one limit in one queue, the longest due first. ENQUEUE adds a row, CLAIM deletes
-- it. tenant is the organisation, or zeros for a job of the installation; limit_key is '' for a job without one.
create table job_ready (
  queue text collate "C" not null,
  tenant uuid not null,
  priority smallint not null,
  limit_key text collate "C" not null default '',
  limit_max integer,
  run_after timestamptz not null,
  job_id bigint not null,
  state job_status not null check (state in ('queued', 'retried')),
  primary key (queue, tenant, priority, limit_key, run_after, job_id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- job_unique: the keys of live jobs, per organisation and type. A row goes when its job ends.
create table job_unique (
  tenant uuid not null,
  job_type text not null,
  unique_key text not null,
  job_id bigint not null,
  primary key (tenant, job_type, unique_key)
);

-- job_slots: who takes up a limit. A held job has a row for its key's limit and one for its queue's, where there are such;
-- a job without limits has none, and pays for none. The name is "key TENANT KEY" or "queue NAME".
create table job_slots (
  job_id bigint not null,
  name text collate "C" not null,
  primary key (job_id, name)
);
create index job_slots_by_name on job_slots (name);

-- job_dependencies: who still waits for whom. 'cancel': the waiting job is cancelled where the other one fails or is
-- cancelled; 'run': it runs when the other one has ended, however.
create table job_dependencies (
  job_id bigint not null,
  depends_on bigint not null,
  on_failure text not null check (on_failure in ('cancel', 'run')),
  tenant uuid not null,
  primary key (job_id, depends_on)
);
create index job_dependencies_of on job_dependencies (depends_on);

-- job_events: one row a transition, in the transaction of the transition; append-only; dropped by whole days.
create table job_events (
  job_id bigint not null,
  seq integer not null check (seq >= 1),
  event job_event not null,
  from_state job_status,
  to_state job_status not null,
  attempt smallint not null,
  worker integer,
  organization_id uuid,
  at timestamptz not null default now(),
  details jsonb
) partition by range (at);
-- Not unique: (job_id, seq) is, by the fence of the row whose version seq is, and job_log_violations tells if it were not.
-- Equal keys share an entry, so the index is a third of what one on both columns would be.
create index job_events_of_job on job_events (job_id);

create table ticket_ai_triage (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  suggested_category text,
  suggested_priority ticket_priority,
  suggested_tags text[] not null default '{}',
  suggested_assignee_id uuid,
  sentiment_label text check (sentiment_label in ('positive', 'neutral', 'negative')),
  sentiment_score real check (sentiment_score between -1 and 1),
  category_confidence real check (category_confidence between 0 and 1),
  priority_confidence real check (priority_confidence between 0 and 1),
  sentiment_confidence real check (sentiment_confidence between 0 and 1),
  confidence real check (confidence between 0 and 1),
  explanation jsonb not null default '{}',
  model_id text not null,
  inputs_hash bytea,
  is_live boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  foreign key (organization_id, suggested_assignee_id) references users (organization_id, id)
);
create unique index ticket_ai_triage_one_live on ticket_ai_triage (organization_id, ticket_id) where is_live;

create table ai_suggestions (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  suggestion_type text not null check (suggestion_type in ('smart_reply')),
  content text not null,
  citations jsonb not null default '[]',
  confidence real check (confidence between 0 and 1),
  model_id text not null,
  is_used boolean not null default false,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade
);
create unique index ai_suggestions_one_open on ai_suggestions (organization_id, ticket_id, suggestion_type) where not is_used;
create index ai_suggestions_by_expiry on ai_suggestions (expires_at);

create table ticket_kb_suggestions (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  article_id uuid not null,
  title text not null,
  excerpt text not null,
  relevance_score real not null check (relevance_score between 0 and 1),
  is_helpful boolean,
  created_at timestamptz not null default now(),
  unique (organization_id, ticket_id, article_id),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  foreign key (organization_id, article_id) references kb_articles (organization_id, id) on delete cascade
);

create table metrics_snapshots (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  snapshot_ts timestamptz not null,
  tickets_by_status jsonb not null,
  tickets_by_priority jsonb not null,
  frt_p50 double precision,
  frt_p95 double precision,
  mttr_p50 double precision,
  mttr_p95 double precision,
  sla_compliance_pct double precision check (sla_compliance_pct between 0 and 100),
  agent_load jsonb not null default '{}',
  created_at timestamptz not null default now(),
  unique (organization_id, snapshot_ts)
);

create table org_settings (
  organization_id uuid primary key references organizations (id),
  auto_escalate_negative_sentiment boolean not null default false,
  auto_escalate_threshold real not null default 0.7 check (auto_escalate_threshold between 0 and 1),
  kb_suggestion_enabled boolean not null default true,
  ai_triage_enabled boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

alter table tickets
  add column time_to_breach_minutes integer,
  add column sla_risk_score real check (sla_risk_score between 0 and 1);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['ticket_ai_triage', 'ai_suggestions', 'ticket_kb_suggestions', 'metrics_snapshots', 'org_settings'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('create policy tenant on %I to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization())', tenant_table);
    execute format('grant select, insert, update, delete on %I to atum_app, atum_system', tenant_table);
  end loop;
end
$$;

-- The engine (atum_system) serves the jobs of all organisations; a request (atum_app) sees and enqueues those of its own.
alter table job_queue enable row level security;
create policy tenant on job_queue to atum_app using (organization_id = bound_organization()) with check (organization_id = bound_organization());
create policy installation on job_queue to atum_system using (true) with check (true);
grant select, insert, update on job_queue to atum_app;
grant select, insert, update, delete on job_queue to atum_system;
grant usage on sequence job_queue_id_seq to atum_app, atum_system;

alter table job_ready enable row level security;
create policy tenant on job_ready to atum_app using (tenant = bound_organization()) with check (tenant = bound_organization());
create policy installation on job_ready to atum_system using (true) with check (true);
alter table job_unique enable row level security;
create policy tenant on job_unique to atum_app using (tenant = bound_organization()) with check (tenant = bound_organization());
create policy installation on job_unique to atum_system using (true) with check (true);
alter table job_dependencies enable row level security;
create policy tenant on job_dependencies to atum_app using (tenant = bound_organization()) with check (tenant = bound_organization());
create policy installation on job_dependencies to atum_system using (true) with check (true);
grant select, insert, update, delete on job_ready, job_unique, job_dependencies to atum_app, atum_system;
alter table job_slots enable row level security;
create policy tenant on job_slots to atum_app using (exists (select from job_queue job where job.id = job_id));
create policy installation on job_slots to atum_system using (true) with check (true);
grant select, delete on job_slots to atum_app;
grant select, insert, update, delete on job_slots to atum_system;

alter table job_events enable row level security;
create policy tenant on job_events to atum_app using (organization_id = bound_organization()) with check (organization_id = bound_organization());
create policy installation on job_events to atum_system using (true) with check (true);
grant select, insert on job_events to atum_app, atum_system;

-- Days are made ahead and dropped whole. The service owns nothing, so it asks these two functions.
create function ensure_job_event_partitions(days_ahead integer) returns integer
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

create function drop_job_event_partitions(keep_days integer) returns integer
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  dropped integer := 0;
  partition_name text;
begin
  if keep_days < 1 then
    raise exception 'keep_days must be at least 1, not %', keep_days using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(hashtext('job_event_partitions'));
  for partition_name in
    select child.relname from pg_inherits
      join pg_class child on child.oid = inhrelid
     where inhparent = 'job_events'::regclass and child.relname ~ '^job_events_\d{8}$'
       and child.relname < 'job_events_' || to_char((now() at time zone 'UTC') - make_interval(days => keep_days), 'YYYYMMDD')
  loop
    execute format('drop table %I', partition_name);
    dropped := dropped + 1;
  end loop;
  return dropped;
end
$$;
revoke execute on function ensure_job_event_partitions(integer), drop_job_event_partitions(integer) from public;
grant execute on function ensure_job_event_partitions(integer), drop_job_event_partitions(integer) to atum_system;
create table job_events_default partition of job_events default;
alter table job_events_default enable row level security;
select ensure_job_event_partitions(14);

-- Down Migration

alter table tickets drop column time_to_breach_minutes, drop column sla_risk_score;
drop table org_settings, metrics_snapshots, ticket_kb_suggestions, ai_suggestions, ticket_ai_triage, job_events, job_dependencies, job_slots, job_unique, job_ready, job_queue;
drop function ensure_job_event_partitions(integer);
drop function drop_job_event_partitions(integer);
drop type job_event, job_status;
