import { readPeopleOf } from '#db/canned-responses.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { hasJobEngine } from '#db/ticket-ai.ts'
import type { RuleAction } from '#db/ticket-rules.ts'
import type { TicketRow } from '#db/tickets.ts'
import { findPerson } from '#db/users.ts'
import { fill } from '#desk/placeholders.ts'
import { newJob } from '#jobs/job-type.ts'
import { sendEmail } from '#jobs/send-email.ts'
import { assignInGroup } from './group-assignment.ts'
import { refusal } from './refusal.ts'
import { assignTicket } from './ticket-assignment.ts'
import { editTicket } from './ticket-change.ts'
import type { Author, Changed } from './ticket-change.ts'
import { TAGS_MAX } from './ticket-shapes.ts'

const SUBJECT_CHARS = 500
const MAIL_CHARS = 50_000

/**
 * Does one action of a rule to a locked ticket.
 *
 * @throws a refusal for what cannot be done to this ticket, before anything is written
 */
export async function act(tx: DatabaseTransactionConnection, author: Author, ticket: TicketRow, action: RuleAction): Promise<Changed> {
  switch (action.type) {
    case 'set_priority':
      return editTicket(tx, author, ticket, { priority: action.priority })
    case 'set_service':
      return editTicket(tx, author, ticket, { service_id: action.service_id })
    case 'add_tags': {
      const tags = [...new Set([...ticket.tags, ...action.tags])]
      if (tags.length > TAGS_MAX) throw refusal(422, `A ticket has at most ${TAGS_MAX} tags.`)
      return editTicket(tx, author, ticket, { tags })
    }
    case 'remove_tags':
      return editTicket(tx, author, ticket, { tags: ticket.tags.filter((tag) => !action.tags.includes(tag)) })
    case 'assign':
      return assignTicket(tx, author, ticket, action.assignee_id)
    case 'assign_group':
      return assignInGroup(tx, author, ticket, action.group_id)
    default:
      return notify(tx, author, ticket, action)
  }
}

/** Has a mail sent by a job that commits with the ticket. */
async function notify(tx: DatabaseTransactionConnection, author: Author, ticket: TicketRow, action: Extract<RuleAction, { type: 'notify' }>): Promise<Changed> {
  const people = await readPeopleOf(tx, ticket.id, author.user_id)
  const known: Record<string, string | null> = { requester: people.requester_email, assignee: people.assignee_email }
  const to = Object.hasOwn(known, action.to) ? known[action.to] : await addressOf(tx, action.to)
  if (!to) throw refusal(409, action.to === 'assignee' ? 'Nobody is assigned.' : 'There is no such user.')
  if (!(await hasJobEngine(tx))) throw refusal(409, 'There is nobody to send mail.')
  const subject = fill(action.subject, ticket, people).text.replaceAll(/\s+/g, ' ').slice(0, SUBJECT_CHARS).toWellFormed()
  const text = fill(action.content, ticket, people).text.slice(0, MAIL_CHARS).toWellFormed()
  await enqueueJobs(tx, [newJob(sendEmail, author.organization_id, { to, subject, text })])
  return { ticket, queues: [sendEmail.queue] }
}

async function addressOf(tx: DatabaseTransactionConnection, userId: string): Promise<string | null> {
  const user = await findPerson(tx, userId)
  return user?.is_active ? user.email : null
}
