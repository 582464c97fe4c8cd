-- Up Migration

-- How many stand in which state, and which, for machines whose settled things are kept for long.
create index sla_cycles_by_state on sla_cycles (organization_id, state, started_at);
create index ai_predictions_by_state on ai_predictions (organization_id, state, decided_at) where state is not null;

-- Down Migration

drop index ai_predictions_by_state;
drop index sla_cycles_by_state;
