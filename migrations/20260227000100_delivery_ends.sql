-- Up Migration

create index webhook_deliveries_pending on webhook_deliveries (created_at) where status = 'pending';

-- Deliveries whose job has ended without a word about them, whoever's they are: its last attempt ran out of time, its worker
-- was lost, or somebody cancelled it. It tells ids alone.
create function deliveries_without_word(most integer) returns table (organization_id uuid, id uuid)
  language sql stable security definer set search_path = public, pg_temp
begin atomic
  select delivery.organization_id, delivery.id
    from webhook_deliveries delivery join job_queue job on job.id = delivery.job_ids[cardinality(delivery.job_ids)]
   where delivery.status = 'pending' and job.status in ('failed', 'cancelled')
   order by delivery.created_at limit most;
end;
revoke execute on function deliveries_without_word(integer) from public;
grant execute on function deliveries_without_word(integer) to atum_system;

-- Down Migration

drop function deliveries_without_word(integer);
drop index webhook_deliveries_pending;
