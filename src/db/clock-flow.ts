import { z } from 'zod'
import { sql } from './sql.ts'
import { thing } from './machine-things.ts'
import type { Edge, Thing } from './machine-things.ts'
import type { CommonQueryMethods } from './pool.ts'

const clockMove = z.object({
  event: z.string().nullable(),
  from_state: z.string(),
  to_state: z.string().nullable(),
  count: z.number(),
  p50_ms: z.number().nullable(),
  p95_ms: z.number().nullable(),
})

/**
 * How often the bound organisation's SLA clocks took each edge in the last `seconds`, and how long they had stood before,
 * where that is known: a row a state (event and to_state null) and one an edge.
 */
export async function countClockMoves(db: CommonQueryMethods, seconds: number): Promise<readonly z.infer<typeof clockMove>[]> {
  return db.any(sql.type(clockMove)`
    with timed as (
      select event, from_state, to_state, extract(epoch from at - since)::float8 * 1000 as ms
        from sla_clock_moves where organization_id = bound_organization() and at > now() - make_interval(secs => ${seconds})
    )
    select from_state, event, to_state, count(*),
           percentile_cont(0.5) within group (order by ms) as p50_ms, percentile_cont(0.95) within group (order by ms) as p95_ms
      from timed group by grouping sets ((from_state), (from_state, event, to_state))`)
}

/** Clocks that wait for their ticket to be accepted have no row yet: a new ticket has one for each target that its policy, or the organisation's, names. */
const pendingClocks = sql.fragment`
  tickets ticket
  join sla_policies policy on policy.organization_id = ticket.organization_id and (policy.id = ticket.sla_policy_id or (ticket.sla_policy_id is null and is_default))
  cross join lateral (values ('first response', first_response_minutes), ('resolution', resolution_minutes)) target (clock, minutes)
  where ticket.organization_id = bound_organization() and minutes ? priority::text
    and status in ('new', 'accepted', 'assigned', 'in_progress', 'waiting_customer') and status = 'new'`

/** In which states the bound organisation's SLA clocks stand. */
export async function countSlaClocks(db: CommonQueryMethods): Promise<Record<string, number>> {
  const rows = await db.any(sql.type(z.object({ state: z.string(), count: z.number() }))`
    select state, count(*) from sla_cycles where organization_id = bound_organization() group by state
    union all
    select 'pending', count(*) from ${pendingClocks}`)
  return Object.fromEntries(rows.map((row) => [row.state, row.count]))
}

/** The bound organisation's clocks that stand in a state, those that began last first. */
export async function clocksIn(db: CommonQueryMethods, state: string, limit: number): Promise<readonly Thing[]> {
  if (state === 'pending') {
    return db.any(sql.type(thing)`
      select ticket.id as ticket_id, number as ticket_number, subject, null as worker, clock as detail, null as count, ticket.created_at as at
        from ${pendingClocks} order by number desc, clock limit ${limit}`)
  }
  return db.any(sql.type(thing)`
    select ticket.id as ticket_id, number as ticket_number, subject, null as worker, clocks.detail, null as count, clocks.at
      from (select ticket_id, started_at as at, replace(clock, '_', ' ') || case when cycle > 1 then ', cycle ' || cycle else '' end as detail from sla_cycles
             where organization_id = bound_organization() and state = ${state} order by started_at desc limit ${limit}) clocks
      join tickets ticket on ticket.organization_id = bound_organization() and ticket.id = ticket_id
     order by clocks.at desc, number desc, detail`)
}

/** The bound organisation's clocks that took an edge in the last `seconds`, the newest first. */
export async function clocksThatTook(db: CommonQueryMethods, edge: Edge, seconds: number, limit: number): Promise<readonly Thing[]> {
  return db.any(sql.type(thing)`
    select ticket.id as ticket_id, number as ticket_number, subject, null as worker, moves.detail, null as count, moves.at
      from (select id, ticket_id, at, replace(clock, '_', ' ') || case when cycle > 1 then ', cycle ' || cycle else '' end as detail from sla_clock_moves
             where organization_id = bound_organization() and at > now() - make_interval(secs => ${seconds})
               and event = ${edge.event} and from_state = ${edge.from_state} and to_state = ${edge.to_state}
             order by at desc, id desc limit ${limit}) moves
      join tickets ticket on ticket.organization_id = bound_organization() and ticket.id = ticket_id
     order by moves.at desc, moves.id desc`)
}

/** As long as a look at them goes back, and time to look at what happened. */
const KEEP_DAYS = 90

/** Moves of the bound organisation's clocks that nobody looks at any more. @returns how many went */
export async function removeOldClockMoves(db: CommonQueryMethods, limit: number): Promise<number> {
  return db.oneFirst(sql.type(z.object({ count: z.number() }))`
    with gone as (
      delete from sla_clock_moves where organization_id = bound_organization() and id in (
        select id from sla_clock_moves
         where organization_id = bound_organization() and at < now() - make_interval(days => ${KEEP_DAYS}) order by at limit ${limit}) returning id
    ) select count(*) from gone`)
}
