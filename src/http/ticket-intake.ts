import { insertAudit } from '#db/audit.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { readSettings } from '#db/settings.ts'
import type { OrganizationSettings } from '#db/settings.ts'
import { hasJobEngine } from '#db/ticket-ai.ts'
import { insertTicket } from '#db/tickets.ts'
import type { NewTicket, TicketRow } from '#db/tickets.ts'
import { newJob } from '#jobs/job-type.ts'
import { jobTypes, TICKET_JOB_TYPES } from '#jobs/registry.ts'
import type { Author } from './ticket-change.ts'

/** Writes a ticket, its event, and the jobs that it causes, in the caller's transaction: all are there, or none is. */
export async function takeIn(tx: DatabaseTransactionConnection, author: Author, wanted: NewTicket): Promise<{ ticket: TicketRow; queues: string[] }> {
  // Taken down to an older version, the database has no jobs; tickets are taken in all the same.
  const settings = (await hasJobEngine(tx)) ? await readSettings(tx) : null
  // From here on the organisation's next number is locked: nothing but writing is left to do.
  const ticket = await writeTicket(tx, author, wanted)
  const jobs = settings ? jobsOf(ticket.id, author.organization_id, settings) : []
  await enqueueJobs(tx, jobs)
  return { ticket, queues: jobs.map((job) => job.queue) }
}

/** Writes a ticket and its event. */
export async function writeTicket(tx: DatabaseTransactionConnection, author: Author, wanted: NewTicket): Promise<TicketRow> {
  const ticket = await insertTicket(tx, wanted)
  const { id, number, subject, status, priority, service_id, tags, requester_id } = ticket
  await insertAudit(tx, {
    organization_id: author.organization_id,
    actor_id: author.user_id,
    action: 'ticket.create',
    entity_type: 'ticket',
    entity_id: id,
    details: { number, subject, status, priority, service_id, tags, requester_id },
    request_id: author.request_id,
  })
  return ticket
}

/** The kinds of job that read what a customer wrote to judge it; an organisation can do without them. */
const TRIAGE: readonly string[] = ['TRIAGE_TICKET', 'SENTIMENT_ANALYSIS']

function jobsOf(ticketId: string, organizationId: string, settings: OrganizationSettings): NewJob[] {
  return TICKET_JOB_TYPES.flatMap((name) => {
    const type = jobTypes.get(name)
    if (!type || (TRIAGE.includes(name) && !settings.ai_triage_enabled) || (name === 'KB_SUGGEST' && !settings.kb_suggestion_enabled)) return []
    return [newJob(type, organizationId, { ticket_id: ticketId })]
  })
}
