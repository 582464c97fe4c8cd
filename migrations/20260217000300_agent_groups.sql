-- Up Migration

-- Groups of agents, to whom tickets are given in turn or by load. A member with as many open tickets as the limit gets no more.
create table agent_groups (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  name text not null check (length(name) between 1 and 200),
  strategy text not null default 'manual' check (strategy in ('manual', 'round_robin', 'least_load')),
  max_open integer check (max_open between 1 and 10000),
  turns bigint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id),
  unique (organization_id, name)
);

create table agent_group_members (
  organization_id uuid not null references organizations (id),
  group_id uuid not null,
  user_id uuid not null,
  max_open integer check (max_open between 1 and 10000),
  last_turn bigint not null default 0,
  primary key (organization_id, group_id, user_id),
  foreign key (organization_id, group_id) references agent_groups (organization_id, id) on delete cascade,
  foreign key (organization_id, user_id) references users (organization_id, id)
);

-- The group that works on a service's tickets.
alter table services add column group_id uuid;
alter table services add constraint services_organization_id_group_id_fkey
  foreign key (organization_id, group_id) references agent_groups (organization_id, id) on delete set null (group_id);

-- How much somebody has to do.
create index tickets_open_of_assignee on tickets (organization_id, assigned_to)
  where assigned_to is not null and status in ('accepted', 'assigned', 'in_progress', 'waiting_customer');

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['agent_groups', 'agent_group_members'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('create policy tenant on %I to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization())', tenant_table);
    execute format('grant select, insert, update, delete on %I to atum_app, atum_system', tenant_table);
  end loop;
end
$$;

-- Down Migration

drop index tickets_open_of_assignee;
alter table services drop column group_id;
drop table agent_group_members, agent_groups;
