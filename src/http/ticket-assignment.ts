import type { DatabaseTransactionConnection } from '#db/pool.ts'
import type { TicketRow } from '#db/tickets.ts'
import { findPerson } from '#db/users.ts'
import type { TicketState } from '#machines/ticket.ts'
import { refusal } from './refusal.ts'
import { moveTicket, reassignTicket, refuseMove } from './ticket-change.ts'
import type { Author, Changed } from './ticket-change.ts'
import { isStaffRole } from './ticket-view.ts'

/** A ticket in one of these can change hands without moving. */
export const WORKED_ON: readonly TicketState[] = ['accepted', 'assigned', 'in_progress', 'waiting_customer']

/**
 * Gives a locked ticket to a member of staff, or to nobody. The first assignment moves the ticket; later ones only change hands.
 *
 * @throws a refusal with 409 where nobody works on the ticket, with 422 where the organisation has no such active member of staff
 */
export async function assignTicket(tx: DatabaseTransactionConnection, author: Author, ticket: TicketRow, assignee: string | null): Promise<Changed> {
  if (!WORKED_ON.includes(ticket.status)) throw refuseMove(ticket.status, 'assigned')
  if (assignee !== null) await requireStaff(tx, assignee)
  if (ticket.status === 'accepted' && assignee !== null) return moveTicket(tx, author, ticket, { to: 'assigned', action: 'ticket.assign', assignee })
  return reassignTicket(tx, author, ticket, assignee)
}

async function requireStaff(tx: DatabaseTransactionConnection, userId: string): Promise<void> {
  const user = await findPerson(tx, userId)
  if (user?.is_active && isStaffRole(user.role)) return
  throw refusal(422, 'Tickets are assigned to active members of staff.', {
    errors: [{ location: 'body', path: 'assignee_id', message: 'is no active member of staff' }],
  })
}
