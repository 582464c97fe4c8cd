-- Up Migration

-- Lists are also read by when tickets were changed last.
create index tickets_changed on tickets (organization_id, updated_at desc);

-- A list that somebody saved: for its owner alone, or for the roles that it is shared with as well.
create table ticket_views (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  owner_id uuid not null,
  name text not null check (length(name) between 1 and 200),
  shared_with user_role[] not null default '{}' check (shared_with <@ array['agent', 'manager', 'admin']::user_role[]),
  condition jsonb not null,
  sort text not null default '-number',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id),
  unique (organization_id, owner_id, name),
  foreign key (organization_id, owner_id) references users (organization_id, id)
);

alter table ticket_views enable row level security;
create policy tenant on ticket_views to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization());
grant select, insert, update, delete on ticket_views to atum_app, atum_system;

-- Down Migration

drop table ticket_views;
drop index tickets_changed;
