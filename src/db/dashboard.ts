import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const counts = z.record(z.string(), z.number())
const percentiles = z.object({
  p50: z.number().nullable(),
  p95: z.number().nullable(),
  sample: z.number().describe('Over how many of the newest tickets; 0 where nothing is known'),
})

export const dashboardRow = z.object({
  at: z.date(),
  window_days: z.number(),
  open: z.number(),
  open_by_status: counts,
  open_by_priority: counts,
  unassigned: z.number(),
  created_24h: z.number(),
  resolved_24h: z.number(),
  sla: z.object({
    overdue: z.number().describe('Open tickets past their due time'),
    due_1h: z.number().describe('Those due within an hour'),
    due_24h: z.number().describe('Those due within a day'),
    met: z.number(),
    missed: z.number(),
    compliance_pct: z.number().nullable().describe('Of the resolution clocks that ended in the window; null where none did'),
  }),
  first_response_minutes: percentiles,
  resolution_minutes: percentiles,
  agents: z.array(z.object({ user_id: z.string(), full_name: z.string(), open: z.number(), overdue: z.number() })),
})
export type Dashboard = z.infer<typeof dashboardRow>

const OPEN = sql.fragment`status in ('new', 'accepted', 'assigned', 'in_progress', 'waiting_customer')`

/**
 * How the bound organisation stands now. Open tickets are counted, each of them; what has ended is asked of an index, and
 * percentiles are over the newest `sample` tickets of the window: the cost does not grow with the history.
 */
export async function readDashboard(
  db: CommonQueryMethods,
  { window_days, sample, agents }: { window_days: number; sample: number; agents: number },
): Promise<Dashboard> {
  return db.one(sql.type(dashboardRow)`
    with open_tickets as materialized (
      select status, priority, assigned_to, sla_due_at from tickets where organization_id = bound_organization() and ${OPEN}
    ), solved as (
      select extract(epoch from resolved_at - created_at)::float8 / 60 as minutes from tickets
       where organization_id = bound_organization() and resolved_at > now() - make_interval(days => ${window_days})
       order by resolved_at desc limit ${sample}
    ), answered as (
      select extract(epoch from first_reply.at - ticket.created_at)::float8 / 60 as minutes
        from (select id, organization_id, created_at from tickets
               where organization_id = bound_organization() and created_at > now() - make_interval(days => ${window_days})
               order by created_at desc, id desc limit ${sample}) ticket
       cross join lateral (
          select min(comment.created_at) as at from comments comment join users author
              on author.organization_id = comment.organization_id and author.id = comment.author_id
           where comment.organization_id = ticket.organization_id and comment.ticket_id = ticket.id
             and not comment.is_internal and not comment.is_ai_generated and author.role in ('agent', 'manager', 'admin')
        ) first_reply
       where first_reply.at is not null
    ), clocks as (
      select count(*) filter (where state = 'met') as met, count(*) filter (where state <> 'met') as missed from sla_cycles
       where organization_id = bound_organization() and clock = 'resolution' and fulfilled_at > now() - make_interval(days => ${window_days})
    ), loads as (
      select assigned_to, count(*) as open, count(*) filter (where sla_due_at < now()) as overdue from open_tickets where assigned_to is not null group by 1
    ), staff as (
      select agent.id as user_id, full_name, coalesce(loads.open, 0) as open, coalesce(loads.overdue, 0) as overdue
        from users agent left join loads on loads.assigned_to = agent.id
       where agent.organization_id = bound_organization() and agent.role in ('agent', 'manager', 'admin') and (agent.is_active or loads.open > 0)
       order by 3 desc, full_name, agent.id limit ${agents}
    )
    select now() as at, ${window_days}::int4 as window_days,
           (select count(*) from open_tickets) as open,
           (select coalesce(jsonb_object_agg(status, count), '{}') from (select status, count(*) from open_tickets group by 1) by_status) as open_by_status,
           (select coalesce(jsonb_object_agg(priority, count), '{}') from (select priority, count(*) from open_tickets group by 1) by_priority) as open_by_priority,
           (select count(*) from open_tickets where assigned_to is null) as unassigned,
           (select count(*) from tickets where organization_id = bound_organization() and created_at > now() - interval '24 hours') as created_24h,
           (select count(*) from tickets where organization_id = bound_organization() and resolved_at > now() - interval '24 hours') as resolved_24h,
           (select jsonb_build_object(
                     'overdue', count(*) filter (where sla_due_at < now()),
                     'due_1h', count(*) filter (where sla_due_at >= now() and sla_due_at < now() + interval '1 hour'),
                     'due_24h', count(*) filter (where sla_due_at >= now() and sla_due_at < now() + interval '24 hours'),
                     'met', (select met from clocks), 'missed', (select missed from clocks),
                     'compliance_pct', (select (100.0 * met / nullif(met + missed, 0))::float8 from clocks))
              from open_tickets) as sla,
           (select jsonb_build_object('p50', percentile_cont(0.5) within group (order by minutes), 'p95', percentile_cont(0.95) within group (order by minutes), 'sample', count(*))
              from answered) as first_response_minutes,
           (select jsonb_build_object('p50', percentile_cont(0.5) within group (order by minutes), 'p95', percentile_cont(0.95) within group (order by minutes), 'sample', count(*))
              from solved) as resolution_minutes,
           (select coalesce(jsonb_agg(to_jsonb(staff)), '[]') from staff) as agents`)
}

export const liveRow = z.object({
  at: z.date(),
  open: z.number(),
  new: z.number(),
  unassigned: z.number(),
  waiting_customer: z.number(),
  overdue: z.number(),
  last_event_id: z.number().describe('The newest event of GET /events'),
})

/** The few figures that somebody looks at all the time. */
export async function readLive(db: CommonQueryMethods): Promise<z.infer<typeof liveRow>> {
  return db.one(sql.type(liveRow)`
    select now() as at, count(*) as open, count(*) filter (where status = 'new') as new, count(*) filter (where assigned_to is null) as unassigned,
           count(*) filter (where status = 'waiting_customer') as waiting_customer, count(*) filter (where sla_due_at < now()) as overdue,
           coalesce((select id from audit_heads where tenant = bound_organization()), 0) as last_event_id
      from tickets where organization_id = bound_organization() and ${OPEN}`)
}

export const historyPoint = z.object({
  at: z.date().describe('When the snapshot was taken: the last one of its bucket'),
  tickets_by_status: counts,
  tickets_by_priority: counts,
  frt_p50: z.number().nullable(),
  frt_p95: z.number().nullable(),
  mttr_p50: z.number().nullable(),
  mttr_p95: z.number().nullable(),
  sla_compliance_pct: z.number().nullable(),
  agent_load: counts,
})

/** Snapshots of the bound organisation between two instants, the oldest first: the last one of each bucket. */
export async function readHistory(
  db: CommonQueryMethods,
  { from, to, bucket_minutes }: { from: string; to: string; bucket_minutes: number },
): Promise<readonly z.infer<typeof historyPoint>[]> {
  return db.any(sql.type(historyPoint)`
    select distinct on (bucket) snapshot_ts as at, tickets_by_status, tickets_by_priority, frt_p50, frt_p95, mttr_p50, mttr_p95, sla_compliance_pct, agent_load
      from (select *, date_bin(make_interval(mins => ${bucket_minutes}), snapshot_ts, 'epoch') as bucket
              from metrics_snapshots
             where organization_id = bound_organization() and snapshot_ts >= ${from}::timestamptz and snapshot_ts < ${to}::timestamptz) snapshot
     order by bucket, snapshot_ts desc`)
}
