-- Up Migration

-- previous_secret signs beside the new one until its time is over. An endpoint hears of what comes after from_event_id.
alter table webhook_endpoints
  add column description text not null default '' check (length(description) <= 500),
  add column previous_secret text check (previous_secret ~ '^whsec_[A-Za-z0-9+/=]{32,100}$'),
  add column previous_secret_until timestamptz,
  add column from_event_id bigint not null default 0,
  add column disabled_at timestamptz,
  add column disabled_reason text,
  add constraint a_previous_secret_ends check ((previous_secret is null) = (previous_secret_until is null)),
  add constraint disabled_with_a_reason check ((disabled_at is null) = (disabled_reason is null) and (disabled_at is null or not is_active));

-- message_id is the webhook-id that the receiver sees: the event's, the same over all attempts, replays and endpoints.
-- job_ids are the jobs that delivered it, the newest last: their logs are the log of the attempts.
alter table webhook_deliveries
  add column event_id bigint,
  add column message_id text not null default 'msg_' || gen_random_uuid(),
  add column happened_at timestamptz not null default now(),
  add column job_ids bigint[] not null default '{}',
  add column error text,
  drop constraint webhook_deliveries_status_check,
  add constraint webhook_deliveries_status_check check (status in ('pending', 'delivered', 'refused', 'failed'));
create unique index webhook_deliveries_once on webhook_deliveries (organization_id, endpoint_id, event_id) where event_id is not null;
create index webhook_deliveries_by_age on webhook_deliveries (created_at);

-- How far an organisation's log was followed: what an event causes (webhooks, mails) is written with the step past it.
create table event_cursors (
  organization_id uuid primary key references organizations (id),
  through_id bigint not null,
  updated_at timestamptz not null default now()
) with (fillfactor = 50);
insert into event_cursors (organization_id, through_id)
select organizations.id, audit_heads.id from organizations join audit_heads on tenant = organizations.id;
alter table event_cursors enable row level security;
create policy tenant on event_cursors to atum_app using (organization_id = bound_organization());
create policy installation on event_cursors to atum_system using (true) with check (true);
grant select on event_cursors to atum_app;
grant select, insert, update on event_cursors to atum_system;

alter table org_settings
  add column notify_requester_on_reply boolean not null default false,
  add column notify_requester_on_status boolean not null default false;

-- Down Migration

alter table org_settings drop column notify_requester_on_reply, drop column notify_requester_on_status;
drop table event_cursors;
drop index webhook_deliveries_by_age;
drop index webhook_deliveries_once;
update webhook_deliveries set status = 'refused' where status = 'failed';
alter table webhook_deliveries
  drop constraint webhook_deliveries_status_check,
  add constraint webhook_deliveries_status_check check (status in ('pending', 'delivered', 'refused')),
  drop column event_id, drop column message_id, drop column happened_at, drop column job_ids, drop column error;
alter table webhook_endpoints
  drop column description, drop column previous_secret, drop column previous_secret_until, drop column from_event_id, drop column disabled_at, drop column disabled_reason;
