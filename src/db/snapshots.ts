import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const counts = z.record(z.string(), z.number())
const reading = z.object({
  slot: z.date(),
  tickets_by_status: counts,
  tickets_by_priority: counts,
  frt_p50: z.number().nullable(),
  frt_p95: z.number().nullable(),
  mttr_p50: z.number().nullable(),
  mttr_p95: z.number().nullable(),
  sla_compliance_pct: z.number().nullable(),
  agent_load: counts,
})
export type SnapshotReading = z.infer<typeof reading>

/**
 * Reads the bound organisation's figures now. Times are minutes, over what was first answered or solved in the last
 * `window_days`; a figure without data is null. `tickets_by_priority` and `agent_load` count open tickets.
 */
export async function readSnapshot(
  db: CommonQueryMethods,
  { slot_minutes, window_days }: { slot_minutes: number; window_days: number },
): Promise<SnapshotReading> {
  return db.one(sql.type(reading)`
    with open_tickets as materialized (
      select priority, assigned_to from tickets
       where organization_id = bound_organization() and status not in ('resolved', 'closed', 'cancelled')
    ), solved as (
      select extract(epoch from resolved_at - created_at) / 60 as minutes from tickets
       where organization_id = bound_organization() and resolved_at > now() - make_interval(days => ${window_days})
    ), answered as (
      select extract(epoch from first_reply.at - ticket.created_at) / 60 as minutes
        from tickets ticket cross join lateral (
          select min(comment.created_at) as at from comments comment join users author
              on author.organization_id = comment.organization_id and author.id = comment.author_id
           where comment.organization_id = ticket.organization_id and comment.ticket_id = ticket.id
             and not comment.is_internal and not comment.is_ai_generated and author.role in ('agent', 'manager', 'admin')
        ) first_reply
       where ticket.organization_id = bound_organization() and ticket.created_at > now() - make_interval(days => ${window_days}) and first_reply.at is not null
    ), clocks as (
      select count(*) filter (where state = 'met') as met, count(*) as ended from sla_cycles
       where organization_id = bound_organization() and clock = 'resolution' and fulfilled_at > now() - make_interval(days => ${window_days})
    )
    select date_bin(make_interval(mins => ${slot_minutes}), now(), 'epoch') as slot,
           (select coalesce(jsonb_object_agg(status, count), '{}')
              from (select status, count(*) from tickets where organization_id = bound_organization() group by status) by_status) as tickets_by_status,
           (select coalesce(jsonb_object_agg(priority, count), '{}') from (select priority, count(*) from open_tickets group by priority) by_priority) as tickets_by_priority,
           (select percentile_cont(0.5) within group (order by minutes) from answered) as frt_p50,
           (select percentile_cont(0.95) within group (order by minutes) from answered) as frt_p95,
           (select percentile_cont(0.5) within group (order by minutes) from solved) as mttr_p50,
           (select percentile_cont(0.95) within group (order by minutes) from solved) as mttr_p95,
           (select (100.0 * met / nullif(ended, 0))::float8 from clocks) as sla_compliance_pct,
           (select coalesce(jsonb_object_agg(assigned_to, count), '{}')
              from (select assigned_to, count(*) from open_tickets where assigned_to is not null group by assigned_to) by_agent) as agent_load`)
}

/** Keeps a reading as its slot's one snapshot. @returns false where the slot has one already */
export async function insertSnapshot(db: CommonQueryMethods, snapshot: SnapshotReading): Promise<boolean> {
  const kept = await db.maybeOne(sql.typeAlias('id')`
    insert into metrics_snapshots (organization_id, snapshot_ts, tickets_by_status, tickets_by_priority, frt_p50, frt_p95, mttr_p50, mttr_p95, sla_compliance_pct, agent_load)
    values (bound_organization(), ${snapshot.slot.toISOString()}, ${JSON.stringify(snapshot.tickets_by_status)}::jsonb, ${JSON.stringify(snapshot.tickets_by_priority)}::jsonb,
            ${snapshot.frt_p50}, ${snapshot.frt_p95}, ${snapshot.mttr_p50}, ${snapshot.mttr_p95}, ${snapshot.sla_compliance_pct}, ${JSON.stringify(snapshot.agent_load)}::jsonb)
    on conflict (organization_id, snapshot_ts) do nothing returning id`)
  return kept !== null
}
