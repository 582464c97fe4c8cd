-- Up Migration

-- What an organisation has done to tickets for which a condition holds, when something happens to them; in order of position.
create table ticket_rules (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  name text not null check (length(name) between 1 and 200),
  is_active boolean not null default true,
  position integer not null default 0,
  events text[] not null check (cardinality(events) > 0 and events <@ array['created', 'updated', 'commented']),
  condition jsonb not null,
  actions jsonb not null check (jsonb_typeof(actions) = 'array'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id),
  unique (organization_id, name)
);

alter table ticket_rules enable row level security;
create policy tenant on ticket_rules to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization());
grant select, insert, update, delete on ticket_rules to atum_app, atum_system;

-- Down Migration

drop table ticket_rules;
