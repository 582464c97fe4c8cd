-- Up Migration

-- audit_log is the one log of what happened in an organisation (and in the installation): GET /audit reads it, GET /events
-- and the webhooks follow it, all with its ids. It is append-only, and each row's hash covers all of it and the row before.
--
-- Who writes `insert into audit_log` only hands a row in: it waits in audit_pending until its transaction commits. Then it
-- gets its id, its place (seq) and its hash, under a lock of its chain that is held until the commit is done. So within an
-- organisation ids grow in the order of the commits: who has read up to an id has missed none before it.
alter table audit_log add column seq bigint, add column hash bytea;
create sequence audit_log_ids;
select setval('audit_log_ids', greatest((select max(id) from audit_log), 0) + 1, false);

-- Never holds a committed row, so nothing is lost with a crash that empties it.
create unlogged table audit_pending (
  n bigint generated always as identity primary key,
  organization_id uuid,
  actor_id uuid,
  action text not null check (length(action) between 1 and 100),
  entity_type text not null,
  entity_id text not null,
  details jsonb not null default '{}',
  request_id text,
  at timestamptz not null default now()
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- Where each chain stands: what a chain without its last rows would not match. tenant is the organisation, or zeros.
-- xact tells readers what changed since they looked: all that is older than a snapshot's xmin is settled.
create table audit_heads (
  tenant uuid primary key,
  id bigint not null,
  seq bigint not null,
  hash bytea not null,
  xact xid8 not null default pg_current_xact_id()
) with (fillfactor = 50);

create function audit_tenant(organization_id uuid) returns uuid
  language sql immutable parallel safe
  return coalesce(organization_id, '00000000-0000-0000-0000-000000000000'::uuid);

-- A value with its length before it, so that no two rows have the same text.
create function audit_part(value text) returns text
  language sql immutable parallel safe
  return coalesce(octet_length(value) || ':' || value, '-');

create function audit_hash(previous bytea, seq bigint, id bigint, organization_id uuid, actor_id uuid, action text, entity_type text,
                           entity_id text, details jsonb, request_id text, at timestamptz) returns bytea
  language sql immutable parallel safe
  return sha256(previous || convert_to(
    audit_part(seq::text) || audit_part(id::text) || audit_part(organization_id::text) || audit_part(actor_id::text) || audit_part(action)
    || audit_part(entity_type) || audit_part(entity_id) || audit_part(details::text) || audit_part(request_id)
    || audit_part((extract(epoch from at) * 1000000)::bigint::text), 'UTF8'));

-- What was written before there was a chain begins it.
alter table audit_log disable trigger audit_log_is_append_only;
do $$
declare
  entry audit_log;
  head audit_heads;
begin
  for entry in select * from audit_log order by audit_tenant(organization_id), id loop
    if head.tenant is distinct from audit_tenant(entry.organization_id) then
      head := row(audit_tenant(entry.organization_id), 0, 0, sha256(''), pg_current_xact_id());
      insert into audit_heads values (head.*);
    end if;
    head.seq := head.seq + 1;
    head.hash := audit_hash(head.hash, head.seq, entry.id, entry.organization_id, entry.actor_id, entry.action, entry.entity_type,
                            entry.entity_id, entry.details, entry.request_id, entry.at);
    update audit_log set seq = head.seq, hash = head.hash where id = entry.id;
    update audit_heads set id = entry.id, seq = head.seq, hash = head.hash where tenant = head.tenant;
  end loop;
end
$$;
alter table audit_log enable trigger audit_log_is_append_only;
alter table audit_log alter column seq set not null, alter column hash set not null;
create unique index audit_log_chain on audit_log (audit_tenant(organization_id), seq);

create function hand_in_audit() returns trigger language plpgsql as $$
begin
  insert into audit_pending (organization_id, actor_id, action, entity_type, entity_id, details, request_id, at)
  values (new.organization_id, new.actor_id, new.action, new.entity_type, new.entity_id, new.details, new.request_id, new.at);
  return null;
end
$$;
create trigger audit_log_is_handed_in before insert on audit_log for each row when (new.hash is null) execute function hand_in_audit();

-- The first of a transaction's rows takes them all along, chain by chain in one order: no two commits wait for each other.
-- It sees no row of another transaction, because none is ever committed there.
create function seal_audit() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
  entry audit_pending;
  head audit_heads;
begin
  for entry in select * from audit_pending where n >= new.n order by audit_tenant(organization_id), n loop
    if head.tenant is distinct from audit_tenant(entry.organization_id) then
      insert into audit_heads (tenant, id, seq, hash) values (audit_tenant(entry.organization_id), 0, 0, sha256('')) on conflict do nothing;
      select * into strict head from audit_heads where tenant = audit_tenant(entry.organization_id) for update;
    end if;
    head.seq := head.seq + 1;
    head.id := nextval('audit_log_ids');
    head.hash := audit_hash(head.hash, head.seq, head.id, entry.organization_id, entry.actor_id, entry.action, entry.entity_type,
                            entry.entity_id, entry.details, entry.request_id, entry.at);
    insert into audit_log (id, organization_id, actor_id, action, entity_type, entity_id, details, request_id, at, seq, hash)
    overriding system value
    values (head.id, entry.organization_id, entry.actor_id, entry.action, entry.entity_type, entry.entity_id, entry.details, entry.request_id,
            entry.at, head.seq, head.hash);
    update audit_heads set id = head.id, seq = head.seq, hash = head.hash, xact = pg_current_xact_id() where tenant = head.tenant;
    delete from audit_pending where n = entry.n;
  end loop;
  return null;
end
$$;
create constraint trigger audit_pending_is_sealed after insert on audit_pending deferrable initially deferred
  for each row execute function seal_audit();

-- Retention takes the oldest rows of a chain, and leaves in it the hash from which the rest goes on. Nobody else may
-- delete: the service's roles have no right to, and the setting is one of this function alone.
drop trigger audit_log_is_append_only on audit_log;
create trigger audit_log_is_append_only before update or truncate on audit_log for each statement execute function refuse_change();
create trigger audit_log_is_kept before delete on audit_log for each statement
  when (current_setting('atum.audit_prune', true) is distinct from 'on') execute function refuse_change();

create function prune_audit(keep_days integer, most integer) returns bigint
  language plpgsql security definer set search_path = public, pg_temp as $$
declare
  head audit_heads;
  oldest bigint;
  through bigint;
  anchor bytea;
  removed bigint := 0;
begin
  if keep_days < 30 then
    raise exception 'keep_days must be at least 30, not %', keep_days using errcode = 'invalid_parameter_value';
  end if;
  for head in select * from audit_heads order by tenant loop
    select seq into oldest from audit_log where audit_tenant(organization_id) = head.tenant order by seq limit 1;
    select coalesce(min(seq), head.seq) - 1 into through
      from (select seq, at from audit_log where audit_tenant(organization_id) = head.tenant and seq < oldest + most order by seq) eldest
     where at >= now() - make_interval(days => keep_days);
    if through = head.seq - 1 then through := least(through, oldest + most - 1); end if;
    if oldest is null or through < oldest then continue; end if;
    select hash into strict anchor from audit_log where audit_tenant(organization_id) = head.tenant and seq = through;
    perform set_config('atum.audit_prune', 'on', true);
    delete from audit_log where audit_tenant(organization_id) = head.tenant and seq <= through;
    perform set_config('atum.audit_prune', '', true);
    removed := removed + through - oldest + 1;
    insert into audit_log (organization_id, action, entity_type, entity_id, details)
    values (nullif(head.tenant, audit_tenant(null)), 'audit.prune', 'audit', head.tenant,
            jsonb_build_object('through_seq', through, 'through_hash', encode(anchor, 'hex'), 'removed', through - oldest + 1, 'keep_days', keep_days));
  end loop;
  return removed;
end
$$;
revoke execute on function prune_audit(integer, integer) from public;
grant execute on function prune_audit(integer, integer) to atum_system;

-- The service's roles hand in rows: they set neither a place nor a hash, nor do they say that rows were pruned.
revoke insert on audit_log from atum_app, atum_system;
grant insert (organization_id, actor_id, action, entity_type, entity_id, details, request_id) on audit_log to atum_app, atum_system;
alter table audit_pending enable row level security;
create policy tenant on audit_pending for insert to atum_app with check (organization_id = bound_organization() and action <> 'audit.prune');
create policy installation on audit_pending for insert to atum_system with check (action <> 'audit.prune');
grant insert on audit_pending to atum_app, atum_system;
alter table audit_heads enable row level security;
create policy tenant on audit_heads to atum_app using (tenant = bound_organization());
create policy installation on audit_heads to atum_system using (true);
grant select on audit_heads to atum_app, atum_system;

-- What jobs find out is news as well, whichever job writes it.
create function note_triage() returns trigger language plpgsql as $$
begin
  insert into audit_log (organization_id, action, entity_type, entity_id, details)
  values (new.organization_id, 'triage.store', 'triage', new.id, jsonb_build_object(
    'ticket_id', new.ticket_id, 'category', new.suggested_category, 'priority', new.suggested_priority, 'tags', new.suggested_tags,
    'sentiment', new.sentiment_label, 'confidence', new.confidence, 'model_id', new.model_id));
  return null;
end
$$;
create trigger ticket_ai_triage_is_noted after insert on ticket_ai_triage for each row execute function note_triage();
create trigger ticket_ai_triage_change_is_noted
  after update of suggested_category, suggested_priority, suggested_tags, suggested_assignee_id, sentiment_label on ticket_ai_triage for each row
  when (new.is_live and (old.suggested_category, old.suggested_priority, old.suggested_tags, old.suggested_assignee_id, old.sentiment_label)
        is distinct from (new.suggested_category, new.suggested_priority, new.suggested_tags, new.suggested_assignee_id, new.sentiment_label))
  execute function note_triage();

create function note_suggestion() returns trigger language plpgsql as $$
begin
  insert into audit_log (organization_id, action, entity_type, entity_id, details)
  values (new.organization_id, 'suggestion.create', 'suggestion', new.id, jsonb_build_object(
    'ticket_id', new.ticket_id, 'suggestion_type', new.suggestion_type, 'confidence', new.confidence, 'model_id', new.model_id));
  return null;
end
$$;
create trigger ai_suggestions_are_noted after insert on ai_suggestions for each row execute function note_suggestion();
create trigger ai_suggestions_changes_are_noted after update of content on ai_suggestions for each row
  when (old.content is distinct from new.content) execute function note_suggestion();

create function note_breach() returns trigger language plpgsql as $$
begin
  insert into audit_log (organization_id, action, entity_type, entity_id, details)
  values (new.organization_id, 'sla.breach', 'sla_cycle', new.ticket_id || '/' || new.clock || '/' || new.cycle, jsonb_build_object(
    'ticket_id', new.ticket_id, 'clock', new.clock, 'cycle', new.cycle, 'due_at', new.due_at, 'breached_at', new.breached_at, 'reason', new.breach_reason));
  return null;
end
$$;
create trigger sla_cycles_begin_breached after insert on sla_cycles for each row when (new.breached_at is not null) execute function note_breach();
create trigger sla_cycles_are_breached after update of breached_at on sla_cycles for each row
  when (old.breached_at is null and new.breached_at is not null) execute function note_breach();

-- Down Migration

drop trigger sla_cycles_are_breached on sla_cycles;
drop trigger sla_cycles_begin_breached on sla_cycles;
drop function note_breach();
drop trigger ai_suggestions_changes_are_noted on ai_suggestions;
drop trigger ai_suggestions_are_noted on ai_suggestions;
drop function note_suggestion();
drop trigger ticket_ai_triage_change_is_noted on ticket_ai_triage;
drop trigger ticket_ai_triage_is_noted on ticket_ai_triage;
drop function note_triage();

drop function prune_audit(integer, integer);
drop trigger audit_log_is_kept on audit_log;
drop trigger audit_log_is_handed_in on audit_log;
drop trigger audit_log_is_append_only on audit_log;
create trigger audit_log_is_append_only before update or delete or truncate on audit_log
  for each statement execute function refuse_change();
drop function hand_in_audit();
drop table audit_pending;
drop function seal_audit();
drop index audit_log_chain;
alter table audit_log drop column seq, drop column hash;
drop table audit_heads;
drop function audit_hash(bytea, bigint, bigint, uuid, uuid, text, text, text, jsonb, text, timestamptz);
drop function audit_part(text);
drop function audit_tenant(uuid);
drop sequence audit_log_ids;
select setval(pg_get_serial_sequence('audit_log', 'id'), greatest((select max(id) from audit_log), 0) + 1, false);
revoke insert (organization_id, actor_id, action, entity_type, entity_id, details, request_id) on audit_log from atum_app, atum_system;
grant insert on audit_log to atum_app, atum_system;
