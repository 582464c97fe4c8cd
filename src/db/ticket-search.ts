import { z } from 'zod'
import { sql } from './sql.ts'
import { ticketColumns, ticketRow } from './tickets.ts'
import type { TicketViewer } from './tickets.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Texts (of tickets, of comments) that are ranked at most, those of the newest tickets. */
const RANKED_MAX = 500

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
    with best as (
      select ticket_id, number as ticket_number, rank::float8 as rank
        from search_tickets(websearch_to_tsquery('english', ${words}), ${viewer.user_id}::uuid, ${viewer.sees}, ${RANKED_MAX})
       where ${page.after?.rank ?? null}::float8 is null
          or (-rank::float8, -number) > (-${page.after?.rank ?? null}::float8, -${page.after?.number ?? null}::int8)
       order by -rank::float8, -number limit ${page.limit}
    )
    select ${ticketColumns}, best.rank,
           ts_headline('english', left(description, 10000), websearch_to_tsquery('english', ${words}), 'StartSel="", StopSel="", MaxWords=30, MinWords=10') as excerpt
      from best join tickets ticket on ticket.id = best.ticket_id
     order by -best.rank, -best.ticket_number`)
}
