-- Up Migration

-- The desk's order, as GET /tickets?sort=urgency asks for it: over all tickets, and over those that are open.
create index tickets_by_urgency on tickets (
  organization_id,
  (case when sla_due_at is null then case priority when 'urgent' then 2 when 'high' then 3 when 'medium' then 4 else 5 end
        when sla_risk_score >= 0.5 then 0 else 1 end),
  (coalesce(sla_due_at, 'infinity')),
  number
);
create index tickets_open_by_urgency on tickets (
  organization_id,
  (case when sla_due_at is null then case priority when 'urgent' then 2 when 'high' then 3 when 'medium' then 4 else 5 end
        when sla_risk_score >= 0.5 then 0 else 1 end),
  (coalesce(sla_due_at, 'infinity')),
  number
) where status in ('new', 'accepted', 'assigned', 'in_progress', 'waiting_customer');

-- Down Migration
drop index tickets_open_by_urgency;
drop index tickets_by_urgency;
