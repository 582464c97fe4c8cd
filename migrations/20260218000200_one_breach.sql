-- Up Migration

-- A breach is a step of its clock (ticket.sla_breach), and noted as that: once.
drop trigger sla_cycles_are_breached on sla_cycles;
drop trigger sla_cycles_begin_breached on sla_cycles;
drop function note_breach();

-- Down Migration

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
