-- Up Migration

-- What a policy says beyond two targets. Warnings and escalations are data: src/sla/steps.ts says what they may hold.
alter table sla_policies
  add column next_response_minutes jsonb not null default '{}',
  add column pause_states ticket_status[] not null default '{waiting_customer}'
    check (pause_states <@ '{accepted,assigned,in_progress,waiting_customer}'::ticket_status[]),
  add column reopen_mode text not null default 'resume' check (reopen_mode in ('resume', 'new_cycle')),
  add column warnings jsonb not null default '[{"percent": 50}, {"percent": 75}]',
  add column escalations jsonb not null default '[]';

-- What a policy said from when on, kept by the database whoever writes the policy or its calendar: a change recomputes from
-- a clock's start and lies at its own time, and a cycle that ended before keeps what held then. The first row holds always.
create table sla_policy_terms (
  organization_id uuid not null references organizations (id),
  policy_id uuid not null,
  valid_from timestamptz not null,
  first_response_minutes jsonb not null,
  next_response_minutes jsonb not null,
  resolution_minutes jsonb not null,
  pause_states ticket_status[] not null,
  reopen_mode text not null,
  calendar jsonb,
  primary key (organization_id, policy_id, valid_from),
  foreign key (organization_id, policy_id) references sla_policies (organization_id, id) on delete cascade
);
insert into sla_policy_terms
select policy.organization_id, policy.id, '-infinity', first_response_minutes, next_response_minutes, resolution_minutes, pause_states, reopen_mode, calendar.definition
  from sla_policies policy
  left join sla_calendars calendar on calendar.organization_id = policy.organization_id and calendar.id = policy.calendar_id;

create function keep_policy_terms(policies sla_policies[], since timestamptz) returns void language sql as $$
  insert into sla_policy_terms
  select policy.organization_id, policy.id, since, first_response_minutes, next_response_minutes, resolution_minutes, pause_states, reopen_mode, calendar.definition
    from unnest(policies) policy
    left join sla_calendars calendar on calendar.organization_id = policy.organization_id and calendar.id = policy.calendar_id
  on conflict (organization_id, policy_id, valid_from) do update
    set first_response_minutes = excluded.first_response_minutes, next_response_minutes = excluded.next_response_minutes,
        resolution_minutes = excluded.resolution_minutes, pause_states = excluded.pause_states, reopen_mode = excluded.reopen_mode,
        calendar = excluded.calendar
$$;
create function policy_changes_terms() returns trigger language plpgsql as $$
begin
  perform keep_policy_terms(array[new], case tg_op when 'INSERT' then '-infinity' else now() end);
  return null;
end
$$;
create function calendar_changes_terms() returns trigger language plpgsql as $$
begin
  perform keep_policy_terms(array(
    select policy from sla_policies policy where policy.organization_id = new.organization_id and policy.calendar_id = new.id), now());
  return null;
end
$$;
create trigger sla_policies_keep_first_terms after insert on sla_policies for each row execute function policy_changes_terms();
create trigger sla_policies_keep_terms
  after update of first_response_minutes, next_response_minutes, resolution_minutes, pause_states, reopen_mode, calendar_id on sla_policies for each row
  when ((old.first_response_minutes, old.next_response_minutes, old.resolution_minutes, old.pause_states, old.reopen_mode, old.calendar_id)
    is distinct from (new.first_response_minutes, new.next_response_minutes, new.resolution_minutes, new.pause_states, new.reopen_mode, new.calendar_id))
  execute function policy_changes_terms();
create trigger sla_calendars_keep_terms after update of definition on sla_calendars for each row
  when (old.definition is distinct from new.definition) execute function calendar_changes_terms();

-- A ticket that is put under another policy.
create table ticket_policy_changes (
  id bigint generated always as identity primary key,
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  from_policy_id uuid not null,
  to_policy_id uuid,
  at timestamptz not null default now(),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade
);
create index ticket_policy_changes_of_ticket on ticket_policy_changes (organization_id, ticket_id, id);
create function record_ticket_policy_change() returns trigger language plpgsql as $$
begin
  insert into ticket_policy_changes (organization_id, ticket_id, from_policy_id, to_policy_id)
  values (new.organization_id, new.id, old.sla_policy_id, new.sla_policy_id);
  return null;
end
$$;
create trigger tickets_record_policy_change after update of sla_policy_id on tickets for each row
  when (old.sla_policy_id is not null and old.sla_policy_id is distinct from new.sla_policy_id) execute function record_ticket_policy_change();

-- When each ticket's clocks are to be looked at next (null: not before something happens). What happens sets it to now, and
-- raises the version, so that whoever looked before does not put it off.
create table sla_checks (
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  next_check_at timestamptz,
  version bigint not null default 1,
  primary key (organization_id, ticket_id),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade
);
create index sla_checks_due on sla_checks (next_check_at) where next_check_at is not null;
insert into sla_checks (organization_id, ticket_id, next_check_at)
select organization_id, id, now() from tickets where sla_started_at is not null and status not in ('closed', 'cancelled');

create function ticket_asks_for_sla_check() returns trigger language plpgsql as $$
begin
  insert into sla_checks (organization_id, ticket_id, next_check_at) values (new.organization_id, new.id, now())
  on conflict (organization_id, ticket_id) do update set next_check_at = now(), version = sla_checks.version + 1;
  return null;
end
$$;
create trigger tickets_begin_sla_checks after insert on tickets for each row when (new.sla_started_at is not null) execute function ticket_asks_for_sla_check();
create trigger tickets_ask_for_sla_check after update of status, priority, sla_started_at, sla_policy_id on tickets for each row
  when (new.sla_started_at is not null and (old.status, old.priority, old.sla_started_at, old.sla_policy_id)
    is distinct from (new.status, new.priority, new.sla_started_at, new.sla_policy_id))
  execute function ticket_asks_for_sla_check();
create function comment_asks_for_sla_check() returns trigger language plpgsql as $$
begin
  update sla_checks set next_check_at = now(), version = version + 1 where organization_id = new.organization_id and ticket_id = new.ticket_id;
  return null;
end
$$;
create trigger comments_ask_for_sla_check after insert on comments for each row when (not new.is_internal) execute function comment_asks_for_sla_check();

-- Breaches, warnings and escalation steps that were taken: each once a cycle, by its primary key.
create table sla_steps_taken (
  organization_id uuid not null references organizations (id),
  ticket_id uuid not null,
  clock text not null check (clock in ('first_response', 'next_response', 'resolution')),
  cycle integer not null check (cycle >= 1),
  step text not null check (length(step) between 1 and 100),
  due_at timestamptz not null,
  taken_at timestamptz not null default now(),
  primary key (organization_id, ticket_id, clock, cycle, step),
  foreign key (organization_id, ticket_id) references tickets (organization_id, id) on delete cascade
);
insert into sla_steps_taken (organization_id, ticket_id, clock, cycle, step, due_at, taken_at)
select organization_id, ticket_id, clock, cycle, 'breach', breached_at, updated_at from sla_cycles where breached_at is not null;

-- Minutes to breach pass by themselves. One statement for all organisations, so it runs as the owner; it gives nothing away.
create index tickets_sla_due on tickets (sla_due_at) where sla_due_at is not null;
create function refresh_minutes_to_breach(within interval) returns integer
  language sql security definer set search_path = public, pg_temp as $$
  with stale as (
    select id, greatest(0, floor(extract(epoch from sla_due_at - now()) / 60))::integer as minutes
      from tickets
     where sla_due_at > now() - interval '10 minutes' and sla_due_at <= now() + within and time_to_breach_minutes is not null
       and time_to_breach_minutes is distinct from greatest(0, floor(extract(epoch from sla_due_at - now()) / 60))::integer
       for no key update skip locked
  ), written as (
    update tickets set time_to_breach_minutes = minutes from stale where tickets.id = stale.id returning 1
  )
  select count(*)::integer from written
$$;
revoke execute on function refresh_minutes_to_breach(interval) from public;
grant execute on function refresh_minutes_to_breach(interval) to atum_system;

do $$
declare
  tenant_table text;
begin
  foreach tenant_table in array array['sla_policy_terms', 'ticket_policy_changes', 'sla_checks', 'sla_steps_taken'] loop
    execute format('alter table %I enable row level security', tenant_table);
    execute format('create policy tenant on %I to atum_app, atum_system using (organization_id = bound_organization()) with check (organization_id = bound_organization())', tenant_table);
    execute format('grant select, insert, update, delete on %I to atum_app, atum_system', tenant_table);
  end loop;
end
$$;
-- Whose clocks are due is asked for all organisations at once, and says no more than ids and times.
create policy installation on sla_checks for select to atum_system using (true);

-- Down Migration

drop function refresh_minutes_to_breach(interval);
drop index tickets_sla_due;
drop table sla_steps_taken;
drop trigger comments_ask_for_sla_check on comments;
drop trigger tickets_ask_for_sla_check on tickets;
drop trigger tickets_begin_sla_checks on tickets;
drop function comment_asks_for_sla_check();
drop function ticket_asks_for_sla_check();
drop table sla_checks;
drop trigger tickets_record_policy_change on tickets;
drop function record_ticket_policy_change();
drop table ticket_policy_changes;
drop trigger sla_calendars_keep_terms on sla_calendars;
drop trigger sla_policies_keep_terms on sla_policies;
drop trigger sla_policies_keep_first_terms on sla_policies;
drop function calendar_changes_terms();
drop function policy_changes_terms();
drop function keep_policy_terms(sla_policies[], timestamptz);
drop table sla_policy_terms;
alter table sla_policies drop column next_response_minutes, drop column pause_states, drop column reopen_mode, drop column warnings, drop column escalations;
