import { groupOfService, lockGroup, readCandidates, takeTurn } from '#db/agent-groups.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { appliedGroup, hasPredictions } from '#db/predictions.ts'
import type { TicketRow } from '#db/tickets.ts'
import { chooseAssignee } from '#desk/choose-assignee.ts'
import type { Strategy } from '#desk/choose-assignee.ts'
import { refusal } from './refusal.ts'
import { assignTicket } from './ticket-assignment.ts'
import { moveTicket } from './ticket-change.ts'
import type { Author, Changed } from './ticket-change.ts'

/**
 * Gives a locked ticket to the member of a group whose turn it is. The group is locked first, so that two tickets at once
 * see each other: nobody is given more than the limit, and turns follow one another.
 *
 * @param strategy in place of the group's own
 * @throws a refusal with 409 where nobody has room, with 422 where there is no such group or it is assigned by hand
 */
export async function assignInGroup(
  tx: DatabaseTransactionConnection,
  author: Author,
  ticket: TicketRow,
  groupId: string,
  strategy?: Exclude<Strategy, 'manual'>,
): Promise<Changed> {
  const group = await lockGroup(tx, groupId)
  if (!group) throw badGroup('does not exist')
  const wanted = strategy ?? group.strategy
  if (wanted === 'manual') throw badGroup('is assigned by hand: name a strategy')
  const chosen = chooseAssignee(wanted, await readCandidates(tx, groupId))
  if (!chosen) {
    throw refusal(409, `Nobody of ${group.name} has room for another ticket.`, { type: 'urn:atum-desk:problem:nobody-free', members: { group_id: groupId } })
  }
  const changed = await assignTicket(
    tx,
    { ...author, by: { ...author.by, group: { id: groupId, name: group.name, strategy: wanted } } },
    ticket,
    chosen.user_id,
  )
  await takeTurn(tx, groupId, chosen.user_id)
  return changed
}

/** The group of a ticket's service. @throws a refusal with 422 where there is none */
export async function requireGroupOf(tx: DatabaseTransactionConnection, ticket: TicketRow): Promise<string> {
  const group = ticket.service_id && (await groupOfService(tx, ticket.service_id))
  if (group) return group
  throw badGroup("is missing, and the ticket's service has none")
}

/**
 * Accepts a locked ticket. Where triage gave it to a group with a strategy, or such a group works on its service, it is given to a
 * member at once; where nobody has room, it waits.
 */
export async function acceptTicket(tx: DatabaseTransactionConnection, author: Author, ticket: TicketRow): Promise<Changed> {
  const accepted = await moveTicket(tx, author, ticket, { to: 'accepted', action: 'ticket.accept' })
  const given = (await hasPredictions(tx)) ? await appliedGroup(tx, ticket.id) : null
  const groupId = given ?? (ticket.service_id && (await groupOfService(tx, ticket.service_id)))
  if (!groupId || (await lockGroup(tx, groupId))?.strategy === 'manual') return accepted
  try {
    const assigned = await assignInGroup(tx, author, accepted.ticket, groupId)
    return { ticket: assigned.ticket, queues: [...accepted.queues, ...assigned.queues] }
  } catch (error) {
    // A refusal is decided before anything is written.
    if (error instanceof Error && 'statusCode' in error) return accepted
    throw error
  }
}

function badGroup(message: string): Error {
  return refusal(422, `The group ${message}.`, { errors: [{ location: 'body', path: 'group_id', message }] })
}
