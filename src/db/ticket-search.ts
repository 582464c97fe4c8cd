import { z } from 'zod'
import { sql } from './sql.ts'
import { ticketColumns, ticketRow } from './tickets.ts'
import type { TicketViewer } from './tickets.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Matches of each kind (tickets, comments) that are ranked at most, the newest ones. */
const RANKED_MAX = 1_000

export const foundTicket = ticketRow.extend({
  rank: z.number(),
  /** From the description, without marks. */
  excerpt: z.string(),
})
export type FoundTicket = z.infer<typeof foundTicket>

/**
 * The tickets of the bound organisation that somebody may see and whose text or comments hold these words, the best match
 * first; after a rank and number where they are given. `words` are as one writes them to a search engine.
 */
export async function searchTickets(
  db: CommonQueryMethods,
  viewer: TicketViewer,
  words: string,
  page: { after: { rank: number; number: number } | null; limit: number },
): Promise<readonly FoundTicket[]> {
  return db.any(sql.type(foundTicket)`
    select ${ticketColumns}, found.rank::float8 as rank,
           ts_headline('english', left(description, 10000), websearch_to_tsquery('english', ${words}), 'StartSel="", StopSel="", MaxWords=30, MinWords=10') as excerpt
      from search_tickets(websearch_to_tsquery('english', ${words}), ${viewer.user_id}::uuid, ${viewer.sees}, ${RANKED_MAX}) found
      join tickets ticket on ticket.id = found.ticket_id
     where ${page.after?.rank ?? null}::float8 is null
        or (-found.rank::float8, -number) > (-${page.after?.rank ?? null}::float8, -${page.after?.number ?? null}::int8)
     order by -found.rank::float8, -number limit ${page.limit}`)
}
