-- Up Migration

-- What the models learn from, newest first: cheap to count, so that each job can ask whether its model is still fresh.
create index tickets_labelled on tickets (organization_id, created_at desc, id desc) where service_id is not null and status <> 'cancelled';

-- How far each AI field may go on its own: written to the ticket, shown to the agent, or only recorded.
alter table org_settings
  add column ai_category_mode text not null default 'suggest' check (ai_category_mode in ('apply', 'suggest', 'silent')),
  add column ai_priority_mode text not null default 'suggest' check (ai_priority_mode in ('apply', 'suggest', 'silent')),
  add column ai_tags_mode text not null default 'suggest' check (ai_tags_mode in ('apply', 'suggest', 'silent')),
  add column ai_assignee_mode text not null default 'suggest' check (ai_assignee_mode in ('apply', 'suggest', 'silent'));

-- A ticket is escalated for its tone at most once, however often its sentiment is read.
alter table ticket_ai_triage add column escalated_at timestamptz;

-- One row a training: what was learned from, and how it did on rows that it had not learned from (null: too few to say).
create table ai_models (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  field text not null check (field in ('category', 'priority')),
  model_id text not null,
  trained_rows integer not null check (trained_rows >= 0),
  labels integer not null check (labels >= 0),
  measured_rows integer check (measured_rows > 0),
  accuracy double precision check (accuracy between 0 and 1),
  calibration_error double precision check (calibration_error between 0 and 1),
  trained_at timestamptz not null default now(),
  unique (organization_id, field, model_id)
);

-- Every change of a ticket's status or priority, whoever makes it: pauses, reopenings and changed targets of the SLA clocks.
create table ticket_transitions (
  id bigint generated always as identity primary key,
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  from_status ticket_status not null,
  to_status ticket_status not null,
  from_priority ticket_priority not null,
  to_priority ticket_priority not null,
  at timestamptz not null default now(),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade
);
create index ticket_transitions_of_ticket on ticket_transitions (organization_id, ticket_id, id);

create function record_ticket_transition() returns trigger language plpgsql as $$
begin
  insert into ticket_transitions (organization_id, ticket_id, from_status, to_status, from_priority, to_priority)
  values (new.organization_id, new.id, old.status, new.status, old.priority, new.priority);
  return null;
end
$$;
create trigger tickets_record_transition after update of status, priority on tickets for each row
  when (old.status <> new.status or old.priority <> new.priority) execute function record_ticket_transition();

-- One row a cycle of a ticket's clock. A breach, once recorded, stays; a fulfilled cycle is history.
create table sla_cycles (
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  clock text not null check (clock in ('first_response', 'next_response', 'resolution')),
  cycle integer not null default 1 check (cycle >= 1),
  state text not null check (state in ('running', 'paused', 'breached', 'met', 'missed', 'cancelled')),
  priority ticket_priority not null,
  target_seconds double precision not null check (target_seconds > 0),
  elapsed_seconds double precision not null check (elapsed_seconds >= 0),
  started_at timestamptz not null,
  due_at timestamptz,
  breached_at timestamptz,
  breach_reason text check (breach_reason in ('due', 'retroactive')),
  fulfilled_at timestamptz,
  updated_at timestamptz not null default now(),
  primary key (organization_id, ticket_id, clock, cycle),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade,
  constraint a_breach_has_a_reason check ((breached_at is null) = (breach_reason is null))
);
create index sla_cycles_done on sla_cycles (organization_id, clock, fulfilled_at desc) where fulfilled_at is not null;

-- Mail that was sent, or kept here where no mail server is set: the development mailbox.
create table outgoing_mail (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid references organizations (id),
  job_id bigint not null unique,
  recipient text not null check (length(recipient) between 3 and 254),
  subject text not null,
  body text not null,
  status text not null check (status in ('sent', 'kept')),
  message_id text not null,
  created_at timestamptz not null default now()
);
create index outgoing_mail_newest on outgoing_mail (organization_id, created_at desc);

create table webhook_endpoints (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  url text not null check (length(url) between 8 and 2000 and url ~ '^https?://'),
  secret text not null check (secret ~ '^whsec_[A-Za-z0-9+/=]{32,100}$'),
  event_types text[] not null default '{}',
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (organization_id, id)
);

-- A delivery keeps what was sent and what came of it, so that it can be looked at and sent again.
create table webhook_deliveries (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  endpoint_id uuid not null,
  event_type text not null check (length(event_type) between 1 and 100),
  payload jsonb not null,
  status text not null default 'pending' check (status in ('pending', 'delivered', 'refused')),
  response_status integer,
  attempt smallint,
  created_at timestamptz not null default now(),
  delivered_at timestamptz,
  unique (organization_id, id),
  foreign key (organization_id, endpoint_id) references webhook_endpoints (organization_id, id) on delete cascade
);
create index webhook_deliveries_newest on webhook_deliveries (organization_id, endpoint_id, created_at desc);

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['ai_models', 'ticket_transitions', 'sla_cycles', 'webhook_endpoints', 'webhook_deliveries'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('create policy tenant on %I to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization())', tenant_table);
    execute format('grant select, insert, update, delete on %I to atum_app, atum_system', tenant_table);
  end loop;
end
$$;

alter table outgoing_mail enable row level security;
create policy tenant on outgoing_mail to atum_app using (organization_id = bound_organization()) with check (organization_id = bound_organization());
create policy installation on outgoing_mail to atum_system using (true) with check (true);
grant select on outgoing_mail to atum_app;
grant select, insert, delete on outgoing_mail to atum_system;

-- Down Migration

drop table webhook_deliveries, webhook_endpoints, outgoing_mail, sla_cycles;
drop trigger tickets_record_transition on tickets;
drop function record_ticket_transition();
drop table ticket_transitions, ai_models;
alter table ticket_ai_triage drop column escalated_at;
alter table org_settings drop column ai_category_mode, drop column ai_priority_mode, drop column ai_tags_mode, drop column ai_assignee_mode;
drop index tickets_labelled;
