import { z } from 'zod'
import { TICKET_STATES } from '#machines/ticket.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const state = z.enum(TICKET_STATES)
const ticketMove = z.object({ from_state: state, to_state: state.nullable(), count: z.number(), p50_ms: z.number(), p95_ms: z.number() })
export type TicketMove = z.infer<typeof ticketMove>

/**
 * How often the bound organisation's tickets moved from one status to another in the last `seconds`, and how long they had
 * stood there: a row a status (to_state null) and one a move.
 */
export async function countTicketMoves(db: CommonQueryMethods, seconds: number): Promise<readonly TicketMove[]> {
  return db.any(sql.type(ticketMove)`
    with timed as (
      select from_status, to_status,
             extract(epoch from at - coalesce((
               select max(earlier.at) from ticket_transitions earlier
                where earlier.organization_id = move.organization_id and earlier.ticket_id = move.ticket_id and earlier.id < move.id
                  and earlier.from_status <> earlier.to_status
             ), (select created_at from tickets where tickets.organization_id = move.organization_id and tickets.id = move.ticket_id)))::float8 * 1000 as ms
        from ticket_transitions move
       where organization_id = bound_organization() and at > now() - make_interval(secs => ${seconds}) and from_status <> to_status
    )
    select from_status as from_state, to_status as to_state, count(*),
           percentile_cont(0.5) within group (order by ms) as p50_ms, percentile_cont(0.95) within group (order by ms) as p95_ms
      from timed where ms is not null group by grouping sets ((from_status), (from_status, to_status))`)
}

/** How many tickets the bound organisation was sent in the last `seconds`. */
export async function countNewTickets(db: CommonQueryMethods, seconds: number): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`
    select count(*) from tickets where organization_id = bound_organization() and created_at > now() - make_interval(secs => ${seconds})`)
}
