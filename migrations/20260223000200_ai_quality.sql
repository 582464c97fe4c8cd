-- Up Migration

-- What the predictions of a week were worth, kept when the predictions themselves are gone. A week begins on Monday (UTC).
create table ai_quality_snapshots (
  organization_id uuid not null references organizations (id),
  week date not null,
  report jsonb not null,
  taken_at timestamptz not null default now(),
  primary key (organization_id, week)
);
alter table ai_quality_snapshots enable row level security;
create policy tenant on ai_quality_snapshots to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization());
grant select, insert, update, delete on ai_quality_snapshots to atum_app, atum_system;

-- Down Migration

drop table ai_quality_snapshots;
