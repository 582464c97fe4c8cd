-- Up Migration

-- An organisation's texts leave for a language model only where it says so.
alter table org_settings add column ai_llm_enabled boolean not null default false;

-- A draft is decided on by the suggestion machine; basis says who wrote it, basis_reason why no language model did.
alter table ai_suggestions
  add column state text not null default 'offered' check (state in ('offered', 'accepted', 'edited', 'rejected', 'expired', 'replaced')),
  add column basis text not null default 'extractive' check (basis in ('extractive', 'language_model')),
  add column basis_reason text,
  add column prediction_id uuid references ai_predictions (id) on delete set null,
  add column decided_at timestamptz,
  add column decided_by uuid,
  add column final_content text,
  add column edit_distance integer check (edit_distance >= 0),
  add column comment_id uuid;
update ai_suggestions set state = 'accepted' where is_used;
drop index ai_suggestions_one_open;
create unique index ai_suggestions_one_open on ai_suggestions (organization_id, ticket_id, suggestion_type) where not is_used and state = 'offered';
create index ai_suggestions_of_prediction on ai_suggestions (prediction_id);

-- The egress ledger: one row a call, written before the text leaves; what came back is noted after it.
create table ai_egress (
  id bigint generated always as identity primary key,
  organization_id uuid not null references organizations (id),
  ticket_id uuid,
  job_id bigint,
  purpose text not null check (purpose in ('smart_reply')),
  endpoint text not null,
  model text not null,
  redacted_text text not null,
  content_hash bytea not null,
  bytes integer not null check (bytes >= 0),
  redactions jsonb not null default '{}',
  outcome text not null default 'sent' check (outcome in ('sent', 'answered', 'refused', 'failed')),
  detail text,
  input_tokens integer check (input_tokens >= 0),
  output_tokens integer check (output_tokens >= 0),
  cost double precision check (cost >= 0),
  seconds double precision check (seconds >= 0),
  at timestamptz not null default now(),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade
);
create index ai_egress_newest on ai_egress (organization_id, id desc);
create index ai_egress_of_ticket on ai_egress (organization_id, ticket_id);
alter table ai_egress enable row level security;
create policy tenant on ai_egress to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization());
grant select, insert, update, delete on ai_egress to atum_app, atum_system;
grant usage on sequence ai_egress_id_seq to atum_app, atum_system;

-- How what the service depends on answered last. It belongs to the installation: no organisation has a row of its own.
create table dependencies (
  name text primary key,
  circuit text not null check (circuit in ('closed', 'open', 'half_open')),
  last_ok_at timestamptz,
  last_failure_at timestamptz,
  updated_at timestamptz not null default now()
);
alter table dependencies enable row level security;
create policy installation on dependencies to atum_system using (true) with check (true);
grant select, insert, update on dependencies to atum_system;

-- Down Migration

drop table dependencies, ai_egress;
drop index ai_suggestions_one_open;
delete from ai_suggestions where not is_used and state <> 'offered';
alter table ai_suggestions drop column state, drop column basis, drop column basis_reason, drop column prediction_id, drop column decided_at, drop column decided_by,
  drop column final_content, drop column edit_distance, drop column comment_id;
create unique index ai_suggestions_one_open on ai_suggestions (organization_id, ticket_id, suggestion_type) where not is_used;
alter table org_settings drop column ai_llm_enabled;
