-- Up Migration

-- All that happens in an organisation queues for its chain. Who waits for a row is woken with all others at each commit, looks,
-- and waits again; who waits for an advisory lock is woken when it is its turn. What can be done before is done before.
create or replace function seal_audit() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
  entries audit_pending[];
  entry audit_pending;
  head audit_heads;
begin
  with gone as (delete from audit_pending where n >= new.n returning audit_pending)
  select array_agg(gone.audit_pending order by audit_tenant((gone.audit_pending).organization_id), (gone.audit_pending).n) into entries from gone;
  if entries is null then return null; end if;
  foreach entry in array entries loop
    if head.tenant is distinct from audit_tenant(entry.organization_id) then
      if head.tenant is not null then
        update audit_heads set id = head.id, seq = head.seq, hash = head.hash, xact = pg_current_xact_id() where tenant = head.tenant;
      end if;
      perform pg_advisory_xact_lock(hashtextextended('audit:' || audit_tenant(entry.organization_id), 0));
      select * into head from audit_heads where tenant = audit_tenant(entry.organization_id) for update;
      if not found then
        insert into audit_heads (tenant, id, seq, hash) values (audit_tenant(entry.organization_id), 0, 0, sha256('')) returning * into head;
      end if;
    end if;
    head.seq := head.seq + 1;
    head.id := nextval('audit_log_ids');
    head.hash := audit_hash(head.hash, head.seq, head.id, entry.organization_id, entry.actor_id, entry.action, entry.entity_type,
                            entry.entity_id, entry.details, entry.request_id, entry.at);
    insert into audit_log (id, organization_id, actor_id, action, entity_type, entity_id, details, request_id, at, seq, hash)
    overriding system value
    values (head.id, entry.organization_id, entry.actor_id, entry.action, entry.entity_type, entry.entity_id, entry.details, entry.request_id,
            entry.at, head.seq, head.hash);
  end loop;
  update audit_heads set id = head.id, seq = head.seq, hash = head.hash, xact = pg_current_xact_id() where tenant = head.tenant;
  return null;
end
$$;

-- Down Migration

create or replace function seal_audit() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
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
