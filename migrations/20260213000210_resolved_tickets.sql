-- Up Migration

-- Figures of the last weeks, and clocks that ended but are not recorded yet, are found by when a ticket was solved.
create index tickets_resolved on tickets (organization_id, resolved_at desc) where resolved_at is not null;

-- Down Migration

drop index tickets_resolved;
