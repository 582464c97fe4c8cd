-- Up Migration

-- How one ticket stands to another: its parent, what it is a duplicate of, or just related (kept once, the smaller id first).
-- A ticket has at most one parent and is a duplicate of at most one other.
create table ticket_relations (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  kind text not null check (kind in ('parent', 'duplicate_of', 'related')),
  ticket_id uuid not null,
  other_id uuid not null,
  created_by uuid not null,
  created_at timestamptz not null default now(),
  unique (organization_id, ticket_id, other_id, kind),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  foreign key (organization_id, other_id) references tickets (organization_id, id) on delete cascade,
  foreign key (organization_id, created_by) references users (organization_id, id),
  constraint nothing_relates_to_itself check (ticket_id <> other_id),
  constraint related_is_kept_once check (kind <> 'related' or ticket_id < other_id)
);
create unique index ticket_relations_one_way_up on ticket_relations (organization_id, kind, ticket_id) where kind <> 'related';
create index ticket_relations_of_other on ticket_relations (organization_id, other_id);

alter table ticket_relations enable row level security;
create policy tenant on ticket_relations to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization());
grant select, insert, update, delete on ticket_relations to atum_app, atum_system;

-- Down Migration

drop table ticket_relations;
