-- Up Migration

-- Texts that agents answer with again and again; {{placeholders}} are filled for a ticket.
create table canned_responses (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  name text not null check (length(name) between 1 and 200),
  content text not null check (length(content) between 1 and 20000),
  service_id uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id),
  unique (organization_id, name),
  foreign key (organization_id, service_id) references services (organization_id, id) on delete set null (service_id)
);

alter table canned_responses enable row level security;
create policy tenant on canned_responses to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization());
grant select, insert, update, delete on canned_responses to atum_app, atum_system;

-- Down Migration

drop table canned_responses;
