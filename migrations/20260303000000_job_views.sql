-- Up Migration

-- A list of jobs that somebody saved: for its owner alone, or for everybody of the organisation who may read jobs. The
-- views of operators, who have no organisation, are the installation's.
create table job_views (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid references organizations (id),
  owner_id uuid not null references users (id),
  name text not null check (length(name) between 1 and 200),
  is_shared boolean not null default false,
  query text not null check (length(query) between 1 and 4000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (owner_id, name),
  -- Not asked where there is no organisation.
  foreign key (organization_id, owner_id) references users (organization_id, id)
);
create index job_views_by_name on job_views (organization_id, name, id);

alter table job_views enable row level security;
create policy tenant on job_views to atum_app using (organization_id = bound_organization()) with check (organization_id = bound_organization());
create policy installation on job_views to atum_system using (organization_id is null) with check (organization_id is null);
grant select, insert, update, delete on job_views to atum_app, atum_system;

-- Down Migration

drop table job_views;
