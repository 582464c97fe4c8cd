import { z } from 'zod'
import { readTicketText } from '#db/job-inputs.ts'
import type { TicketText } from '#db/job-inputs.ts'
import { PermanentFailure } from './job-type.ts'
import type { BackoffPolicy, RunningJob } from './job-type.ts'

/** The payload of every job that a ticket causes. */
export const ticketPayload = z.strictObject({ ticket_id: z.uuid() })
export type TicketPayload = z.infer<typeof ticketPayload>

/** Such a job reads and computes; what fails is the database being away, which is over soon or takes a while. */
export const TICKET_BACKOFF: BackoffPolicy = { base_ms: 2_000, factor: 3, max_ms: 300_000, jitter: 0.2 }

/** The job's ticket. @throws PermanentFailure where the organisation has no such ticket: no further attempt will find it */
export async function ticketOf(job: RunningJob<TicketPayload>): Promise<TicketText> {
  const ticket = await job.read((db) => readTicketText(db, job.payload.ticket_id))
  if (!ticket) throw new PermanentFailure(`the organisation has no ticket ${job.payload.ticket_id}`)
  return ticket
}

/** The organisation of a job that always has one. */
export function organizationOf(job: Pick<RunningJob<unknown>, 'organization_id'>): string {
  if (job.organization_id === null) throw new PermanentFailure('this kind of job belongs to an organisation')
  return job.organization_id
}
