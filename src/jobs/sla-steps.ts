import { enqueueJobs } from '#db/job-enqueue.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { raisePriority, stepRecipients, takeSteps } from '#db/sla-steps.ts'
import { metrics } from '#metrics.ts'
import type { DueStep } from '#sla/check.ts'
import { newJob } from './job-type.ts'
import { sendEmail } from './send-email.ts'

const MAIL_SUBJECT_CHARS = 200

/** The facts of a ticket that a step needs. */
interface StepTicket {
  id: string
  number: number
  subject: string
}

/**
 * Takes the steps that are due, each once whatever the number of checks: what it takes is written in the caller's
 * transaction. @returns how many were taken
 */
export async function carryOut(
  tx: CommonQueryMethods,
  organizationId: string,
  ticketOf: (id: string) => StepTicket,
  steps: readonly DueStep[],
): Promise<number> {
  const taken = await takeSteps(tx, steps)
  for (const one of taken) {
    const step = steps.find(
      ({ ticket_id, clock, cycle, step }) => ticket_id === one.ticket_id && clock === one.clock && cycle === one.cycle && step === one.step,
    )!
    if (step.action === 'breach') metrics.slaBreaches.inc({ clock: step.clock })
    if (step.action === 'raise_priority') await raisePriority(tx, step.ticket_id)
    if (step.action === 'notify' && step.to) await tell(tx, organizationId, ticketOf(step.ticket_id), step, step.to)
  }
  return taken.length
}

async function tell(tx: CommonQueryMethods, organizationId: string, ticket: StepTicket, step: DueStep, to: 'assignee' | 'managers'): Promise<void> {
  const recipients = await stepRecipients(tx, ticket.id, to)
  const clock = step.clock.replaceAll('_', ' ')
  const subject = `[#${ticket.number}] ${clock}: ${ticket.subject}`.replaceAll(/\s+/g, ' ').slice(0, MAIL_SUBJECT_CHARS)
  const text = `The ${clock} of ticket #${ticket.number} got as far as “${step.step}” at ${step.due_at.toISOString()}.\n`
  await enqueueJobs(
    tx,
    recipients.map((email) => newJob(sendEmail, organizationId, { to: email, subject, text })),
  )
}
