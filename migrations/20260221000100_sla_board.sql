-- Up Migration

-- What breached lately, of an organisation whatever its tickets.
create index sla_steps_taken_newest on sla_steps_taken (organization_id, taken_at desc);

-- Down Migration

drop index sla_steps_taken_newest;
