-- Up Migration

-- What happened to one thing is read in order, without walking its organisation's whole audit.
create index audit_log_of_entity on audit_log (organization_id, entity_type, entity_id, id);

-- Down Migration

drop index audit_log_of_entity;
