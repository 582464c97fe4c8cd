import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Who has not come again within this has left. */
export const PRESENT_SECONDS = 45

const present = z.object({ user_id: z.string(), full_name: z.string(), is_writing: z.boolean(), seen_at: z.date() })
export type Present = z.infer<typeof present>

/** Notes that somebody has a ticket open, and forgets who left it. */
export async function notePresence(db: CommonQueryMethods, presence: { ticket_id: string; user_id: string; is_writing: boolean }): Promise<void> {
  await db.query(sql.typeAlias('void')`
    delete from ticket_presence
     where organization_id = bound_organization() and ticket_id = ${presence.ticket_id} and seen_at < now() - make_interval(secs => ${PRESENT_SECONDS})`)
  await db.query(sql.typeAlias('void')`
    insert into ticket_presence (organization_id, ticket_id, user_id, is_writing)
    values (bound_organization(), ${presence.ticket_id}, ${presence.user_id}, ${presence.is_writing})
    on conflict (organization_id, ticket_id, user_id) do update set is_writing = excluded.is_writing, seen_at = now()`)
}

/** Somebody left the ticket. */
export async function forgetPresence(db: CommonQueryMethods, ticketId: string, userId: string): Promise<void> {
  await db.query(sql.typeAlias('void')`
    delete from ticket_presence where organization_id = bound_organization() and ticket_id = ${ticketId} and user_id = ${userId}`)
}

/** Who else has the ticket open. */
export async function listPresent(db: CommonQueryMethods, ticketId: string, but: string): Promise<readonly Present[]> {
  return db.any(sql.type(present)`
    select user_id, full_name, is_writing, seen_at
      from ticket_presence join users on users.organization_id = ticket_presence.organization_id and users.id = user_id
     where ticket_presence.organization_id = bound_organization() and ticket_id = ${ticketId} and user_id <> ${but}
       and seen_at >= now() - make_interval(secs => ${PRESENT_SECONDS})
     order by full_name`)
}
