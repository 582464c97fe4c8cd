import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** What stands in a state of a machine, or took one of its edges; jobs apart, which have lists of their own. */
export const thing = z.object({
  ticket_id: z.string().nullable(),
  ticket_number: z.number().nullable(),
  subject: z.string().nullable(),
  worker: z.number().nullable(),
  detail: z.string().nullable().describe('Which of its kind: a clock, a field, a queue'),
  count: z.number().nullable().describe('How often it took the edge, where moves are counted and not listed'),
  at: z.date().describe('Since when it stands there, as far as that is known, when it took the edge, or when its worker last told'),
})
export type Thing = z.infer<typeof thing>

/** An edge of a machine as a caller names it. */
export interface Edge {
  event: string
  from_state: string | null
  to_state: string
}

const ofTicket = sql.fragment`ticket.id as ticket_id, number as ticket_number, subject, null as worker`

/** The bound organisation's tickets in a status, those that changed last first. */
export async function ticketsIn(db: CommonQueryMethods, status: string, limit: number): Promise<readonly Thing[]> {
  return db.any(sql.type(thing)`
    select ${ofTicket}, priority::text as detail, null as count, ticket.updated_at as at
      from (select * from tickets where organization_id = bound_organization() and status = ${status}::ticket_status order by number desc limit ${limit}) ticket
     order by ticket.updated_at desc, number desc`)
}

/** The bound organisation's tickets that took an edge in the last `seconds`, the newest first; without `from_state`, those that came. */
export async function ticketsThatTook(db: CommonQueryMethods, edge: Edge, seconds: number, limit: number): Promise<readonly Thing[]> {
  if (edge.from_state === null) {
    return db.any(sql.type(thing)`
      select ${ofTicket}, priority::text as detail, null as count, created_at as at from tickets ticket
       where organization_id = bound_organization() and created_at > now() - make_interval(secs => ${seconds}) order by created_at desc, number desc limit ${limit}`)
  }
  return db.any(sql.type(thing)`
    select ${ofTicket}, priority::text as detail, null as count, move.at
      from (select id, ticket_id, at from ticket_transitions
             where organization_id = bound_organization() and at > now() - make_interval(secs => ${seconds})
               and from_status = ${edge.from_state}::ticket_status and to_status = ${edge.to_state}::ticket_status and from_status <> to_status
             order by at desc, id desc limit ${limit}) move
      join tickets ticket on ticket.organization_id = bound_organization() and ticket.id = move.ticket_id
     order by move.at desc, move.id desc`)
}

/** The bound organisation's suggestions in a state, the newest first. */
export async function suggestionsIn(db: CommonQueryMethods, state: string, limit: number): Promise<readonly Thing[]> {
  return db.any(sql.type(thing)`
    select ${ofTicket}, replace(field, '_', ' ') as detail, null as count, coalesce(decided_at, prediction.created_at) as at
      from (select * from ai_predictions where organization_id = bound_organization() and state = ${state}
             order by decided_at desc nulls last, created_at desc limit ${limit}) prediction
      join tickets ticket on ticket.organization_id = bound_organization() and ticket.id = prediction.ticket_id
     order by at desc, number desc, detail`)
}

/** The bound organisation's suggestions that took an edge in the last `seconds`, the newest first; without `from_state`, those that were made. */
export async function suggestionsThatTook(db: CommonQueryMethods, edge: Edge, seconds: number, limit: number): Promise<readonly Thing[]> {
  const since = sql.fragment`now() - make_interval(secs => ${seconds})`
  const taken =
    edge.from_state === null ? sql.fragment`state is not null and created_at > ${since}` : sql.fragment`state = ${edge.to_state} and decided_at > ${since}`
  const at = edge.from_state === null ? sql.fragment`created_at` : sql.fragment`decided_at`
  return db.any(sql.type(thing)`
    select ${ofTicket}, replace(field, '_', ' ') as detail, null as count, prediction.at
      from (select ticket_id, field, ${at} as at from ai_predictions where organization_id = bound_organization() and ${taken} order by ${at} desc limit ${limit}) prediction
      join tickets ticket on ticket.organization_id = bound_organization() and ticket.id = prediction.ticket_id
     order by prediction.at desc, number desc, detail`)
}
