-- Up Migration

-- What jobs and clocks do to a ticket is an event for rules too.
alter table ticket_rules
  drop constraint ticket_rules_events_check,
  add constraint ticket_rules_events_check
    check (cardinality(events) > 0 and events <@ array['created', 'updated', 'commented', 'sla_warned', 'sla_breached', 'sla_escalated']);

-- Such events, written with the step of the cursor past them, until their rules have run.
create table ticket_rule_events (
  organization_id uuid not null references organizations (id),
  event_id bigint not null,
  ticket_id uuid not null,
  action text not null,
  events text[] not null check (cardinality(events) > 0),
  attempts smallint not null default 0,
  run_after timestamptz not null default now(),
  primary key (organization_id, event_id),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade
);
create index ticket_rule_events_of_ticket on ticket_rule_events (organization_id, ticket_id);

alter table ticket_rule_events enable row level security;
create policy tenant on ticket_rule_events to atum_app using (organization_id = bound_organization()) with check (organization_id = bound_organization());
create policy installation on ticket_rule_events to atum_system using (true) with check (true);
grant select, update, delete on ticket_rule_events to atum_app;
grant select, insert on ticket_rule_events to atum_system;

-- Down Migration

drop table ticket_rule_events;
delete from ticket_rules where not events && array['created', 'updated', 'commented'];
update ticket_rules set events = (select array_agg(event) from unnest(events) event where event in ('created', 'updated', 'commented'));
alter table ticket_rules
  drop constraint ticket_rules_events_check,
  add constraint ticket_rules_events_check check (cardinality(events) > 0 and events <@ array['created', 'updated', 'commented']);
