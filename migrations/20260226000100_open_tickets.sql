-- Up Migration

-- What is still worked on is a small share of all that there ever was: lists of it, and counts, read these and no other rows.
-- A condition on the status alone would not do: under row-level security no index is asked for an enum, whose comparison is not
-- leakproof, but the planner knows that such a condition implies the index's own.
create index tickets_open on tickets (organization_id, number) include (status, priority, assigned_to, sla_due_at)
  where status in ('new', 'accepted', 'assigned', 'in_progress', 'waiting_customer');
create index tickets_open_due on tickets (organization_id, (coalesce(sla_due_at, 'infinity')), number)
  where status in ('new', 'accepted', 'assigned', 'in_progress', 'waiting_customer');
-- Two states in which few tickets stand, among many that are closed.
create index tickets_rare on tickets (organization_id, number) where status in ('resolved', 'cancelled');
-- The orders in which a list may be asked for, and whose tickets.
create index tickets_due on tickets (organization_id, (coalesce(sla_due_at, 'infinity')), number);
create index tickets_by_priority on tickets (organization_id, priority, number);
create index tickets_of_assignee on tickets (organization_id, assigned_to, number);
create index tickets_of_service on tickets (organization_id, service_id, number);
-- Of this one nobody could make use, for the reason above.
drop index tickets_by_status;

-- Down Migration

create index tickets_by_status on tickets (organization_id, status, created_at desc);
drop index tickets_of_service;
drop index tickets_of_assignee;
drop index tickets_by_priority;
drop index tickets_due;
drop index tickets_rare;
drop index tickets_open_due;
drop index tickets_open;
