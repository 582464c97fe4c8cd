import type { EventRow } from '#db/events.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import { repliesToTell, ticketsToTell } from '#db/notices.ts'
import type { TicketFacts } from '#db/notices.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { readSettings } from '#db/settings.ts'
import { newJob } from './job-type.ts'
import { sendEmail } from './send-email.ts'

const CONTENT_CHARS = 40_000
const SUBJECT_CHARS = 400

/** The mails that tell requesters of public replies and changes of status, where the bound organisation has it so. Nobody is told of what they did. */
export async function requesterNotices(tx: CommonQueryMethods, organizationId: string, events: readonly EventRow[]): Promise<NewJob[]> {
  const candidates = events.filter((event) => (isReply(event) || statusOf(event) !== null) && event.ticket_id !== null && event.actor_id !== event.requester_id)
  if (candidates.length === 0) return []
  const settings = await readSettings(tx)
  const wanted = candidates.filter((event) => (isReply(event) ? settings.notify_requester_on_reply : settings.notify_requester_on_status))
  if (wanted.length === 0) return []
  const tickets = new Map((await ticketsToTell(tx, [...new Set(wanted.map((event) => event.ticket_id!))])).map((ticket) => [ticket.id, ticket]))
  const replies = new Map(
    (
      await repliesToTell(
        tx,
        wanted.filter(isReply).map((event) => event.entity_id),
      )
    ).map((reply) => [reply.id, reply]),
  )
  return wanted.flatMap((event) => {
    const ticket = tickets.get(event.ticket_id!)
    if (!ticket) return []
    const reply = replies.get(event.entity_id)
    const text = isReply(event) ? reply && replyText(ticket, reply) : statusText(ticket, statusOf(event)!)
    if (!text) return []
    const subject = `[#${ticket.number}] ${oneLine(ticket.subject)}`
    return [newJob(sendEmail, organizationId, { to: ticket.email, subject, text, event_id: event.id, ticket_id: ticket.id })]
  })
}

const isReply = ({ type, details }: EventRow): boolean => type === 'comment.created' && details['is_internal'] === false

function statusOf({ type, details }: EventRow): string | null {
  const status = details['status'] as { to?: unknown } | undefined
  return type.startsWith('ticket.') && type !== 'ticket.created' && typeof status?.to === 'string' ? status.to : null
}

const replyText = (ticket: TicketFacts, { author, content }: { author: string; content: string }): string =>
  `${author} wrote on your ticket #${ticket.number}, "${oneLine(ticket.subject)}":\n\n${content.slice(0, CONTENT_CHARS).toWellFormed()}\n\n${ticket.organization}`

const statusText = (ticket: TicketFacts, status: string): string =>
  `Your ticket #${ticket.number}, "${oneLine(ticket.subject)}", is now ${status.replaceAll('_', ' ')}.\n\n${ticket.organization}`

/** A line break in a subject would begin a header. */
const oneLine = (text: string): string =>
  text
    .replaceAll(/\p{C}+/gu, ' ')
    .slice(0, SUBJECT_CHARS)
    .toWellFormed()
