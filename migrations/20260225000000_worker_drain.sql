-- Up Migration

-- When an operator asked the worker to claim no more, finish, and end. It reads this with its next heartbeat.
alter table workers add column drain_requested_at timestamptz;

-- Down Migration

alter table workers drop column drain_requested_at;
