-- Up Migration

-- The identity of an unlogged table is an unlogged sequence, which a standby does not have: after a failover PostgreSQL 15
-- refuses it ("bad magic number"), and with it every write that is audited. A sequence of its own is in the log.
alter table audit_pending alter column n drop identity;
create sequence audit_pending_numbers;
select setval('audit_pending_numbers', greatest((select max(n) from audit_pending), 0) + 1, false);
alter table audit_pending alter column n set default nextval('audit_pending_numbers');
grant usage on sequence audit_pending_numbers to atum_app, atum_system;

-- Down Migration

alter table audit_pending alter column n drop default;
drop sequence audit_pending_numbers;
alter table audit_pending alter column n add generated always as identity;
