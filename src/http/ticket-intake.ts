import { randomUUID } from 'node:crypto'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { NewJob, WakeAtCommit } from '#db/job-enqueue.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { readSettings } from '#db/settings.ts'
import type { OrganizationSettings } from '#db/settings.ts'
import { hasJobEngine } from '#db/ticket-ai.ts'
import { insertTicket } from '#db/tickets.ts'
import type { NewTicket, TicketRow } from '#db/tickets.ts'
import { newJob } from '#jobs/job-type.ts'
import { jobTypes, TICKET_JOB_TYPES } from '#jobs/registry.ts'
import type { Author } from './ticket-change.ts'

/** Writes a ticket, its event, and the jobs that it causes, in the caller's transaction: all are there, or none is. The workers are told by `wake`. */
export async function takeIn(
  tx: DatabaseTransactionConnection,
  author: Author,
  wanted: Omit<NewTicket, 'id'>,
  wake?: WakeAtCommit,
): Promise<{ ticket: TicketRow; queues: string[] }> {
  const id = randomUUID()
  // Taken down to an older version, the database has no jobs; tickets are taken in all the same.
  const jobs = (await hasJobEngine(tx)) ? jobsOf(id, author.organization_id, await readSettings(tx)) : []
  // Before the ticket, whose number all that file in the organisation queue for.
  await enqueueJobs(tx, jobs, wake)
  const ticket = await insertTicket(tx, { id, ...wanted }, author)
  return { ticket, queues: jobs.map((job) => job.queue) }
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
