import { randomUUID } from 'node:crypto'
import type { WakeAtCommit } from '#db/job-enqueue.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { partsOf } from '#db/schema-parts.ts'
import { insertTicket, insertTicketAndJobs } from '#db/ticket-filing.ts'
import type { NewTicket, TicketJob } from '#db/ticket-filing.ts'
import type { TicketRow } from '#db/tickets.ts'
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
  if (!(await partsOf(tx)).jobs) return { ticket: await insertTicket(tx, { id, ...wanted }, author), queues: [] }
  const { ticket, enqueued } = await insertTicketAndJobs(tx, { id, ...wanted }, author, jobsOf(id, author.organization_id), wake)
  return { ticket, queues: enqueued.map((job) => job.queue) }
}

/** The kinds of job that an organisation can do without: those that read what a customer wrote to judge it, and the search for articles. */
const NEEDS: Partial<Record<(typeof TICKET_JOB_TYPES)[number], TicketJob['needs']>> = {
  TRIAGE_TICKET: 'ai_triage_enabled',
  SENTIMENT_ANALYSIS: 'ai_triage_enabled',
  KB_SUGGEST: 'kb_suggestion_enabled',
}

function jobsOf(ticketId: string, organizationId: string): TicketJob[] {
  return TICKET_JOB_TYPES.flatMap((name) => {
    const type = jobTypes.get(name)
    return type ? [{ ...newJob(type, organizationId, { ticket_id: ticketId }), needs: NEEDS[name] ?? null }] : []
  })
}
