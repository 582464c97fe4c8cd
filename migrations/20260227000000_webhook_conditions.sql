-- Up Migration

-- An endpoint with a condition hears only of events of tickets for which it holds.
alter table webhook_endpoints add column condition jsonb;

-- Down Migration

alter table webhook_endpoints drop column condition;
