import { z } from 'zod'
import { Breather } from '#ai/breather.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { updateSlaDue, updateSlaRisk, upsertSlaCycles } from '#db/sla.ts'
import { notifyWorkersAtCommit } from '#db/jobs.ts'
import { insertPredictions, scorePredictions } from '#db/sla-risk.ts'
import type { SlaPrediction } from '#db/sla-risk.ts'
import { dueChecks, planChecks, refreshMinutesToBreach } from '#db/sla-checks.ts'
import { readSlaTicket, slaTicketsAfter } from '#db/sla-tickets.ts'
import type { SlaTicket } from '#db/sla-tickets.ts'
import { metrics } from '#metrics.ts'
import { checkTicket } from '#sla/check.ts'
import type { Finding } from '#sla/check.ts'
import { predictionOf, readRisk } from '#sla/risk.ts'
import { newJob } from './job-type.ts'
import type { JobType, Outcome, RunningJob } from './job-type.ts'
import { carryOut } from './sla-steps.ts'
import { TICKET_BACKOFF } from './ticket-job.ts'

/** Tickets of an organisation that one check looks at; the next ones are the next job's. So no transaction holds many of them, and none for long. */
const PIECE = 200
const FIRST_ID = '00000000-0000-0000-0000-000000000000'
/** Checks that are due until then are enqueued by a tick, each for its own instant; more than a tick is apart from the next. */
const TICK_SECONDS = 90
/** What is due beyond these waits for the next tick. */
const TICK_CHECKS_MAX = 10_000
/** Minutes to breach are brought up to date every minute where they are few, and every so many minutes everywhere. */
const NEAR_MINUTES = 120
const FAR_STEP_MINUTES = 5
const FAR_MINUTES = 6 * 366 * 24 * 60

const payload = z.strictObject({ ticket_id: z.uuid().optional(), after: z.uuid().describe('Where the next piece of an organisation begins').optional() })
type Payload = z.infer<typeof payload>

/**
 * Looks at the clocks of one ticket at the time at which something is due there: records breaches and ended cycles, warns,
 * escalates, and plans the next look. Without a ticket it plans every open clock of the organisation anew, piece by piece; without
 * an organisation it is the tick that enqueues the checks that come due until the next one.
 */
export const slaCheck: JobType<Payload> = {
  name: 'SLA_CHECK',
  queue: 'default',
  payload,
  max_attempts: 3,
  timeout_ms: 300_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'either',
  run: (job) => (job.organization_id === null ? tick(job) : check(job, job.organization_id)),
}

async function check(job: RunningJob<Payload>, organizationId: string): Promise<Outcome> {
  const tickets = new Map<string, SlaTicket>()
  const findings: { ticket: SlaTicket; finding: Finding }[] = []
  const breather = new Breather()
  for (const ticket of await ticketsOf(job)) {
    const now = ticket.now.getTime()
    tickets.set(ticket.id, ticket)
    findings.push({ ticket, finding: checkTicket(ticket, now) })
    if (ticket.next_check_at) metrics.slaLateness.observe(Math.max(0, (now - ticket.next_check_at.getTime()) / 1_000))
    if (breather.due) await breather.pause(job.signal)
  }
  const risks = await risksOf(job, findings)
  const steps = findings.flatMap(({ finding }) => finding.steps)
  const after = findings.length === PIECE ? findings.at(-1)!.ticket.id : null
  return {
    kind: 'succeed',
    result: { checked: findings.length, breached: steps.filter(({ action }) => action === 'breach').length },
    writes: async (tx) => {
      await upsertSlaCycles(
        tx,
        findings.flatMap(({ finding }) => finding.cycles),
      )
      await updateSlaDue(
        tx,
        findings.filter(({ finding, ticket }) => finding.clocks.resolution || ticket.sla_due_at).map(({ finding }) => finding.standing),
      )
      await updateSlaRisk(
        tx,
        risks.map(({ ticket_id, risk }) => ({ ticket_id, risk })),
      )
      await insertPredictions(
        tx,
        risks.flatMap(({ prediction }) => prediction ?? []),
      )
      await scorePredictions(tx, [...tickets.keys()])
      await carryOut(tx, organizationId, (id) => tickets.get(id)!, steps)
      await planChecks(
        tx,
        findings.map(({ ticket, finding }) => ({ ticket_id: ticket.id, next_check_at: finding.next_check_at, check_version: ticket.check_version })),
      )
      await enqueueJobs(tx, soonOf(organizationId, findings))
      if (after === null) return
      await enqueueJobs(tx, [newJob(slaCheck, organizationId, { after })])
      await notifyWorkersAtCommit(tx, slaCheck.queue)
    },
  }
}

/** The tick that would enqueue a check that is due before the next one may be over already. */
function soonOf(organizationId: string, findings: readonly { ticket: SlaTicket; finding: Finding }[]) {
  return findings.flatMap(({ ticket, finding: { next_check_at, steps } }) => {
    const raises = steps.some(({ action }) => action === 'raise_priority')
    const delay_ms = raises ? 0 : next_check_at === null ? Number.POSITIVE_INFINITY : next_check_at.getTime() - ticket.now.getTime()
    return delay_ms > TICK_SECONDS * 1_000 ? [] : [checkAt(organizationId, ticket.id, raises ? ticket.now : next_check_at!, Math.max(0, delay_ms))]
  })
}

/** One check for one instant, however often it is planned. */
function checkAt(organizationId: string, ticketId: string, at: Date, delayMs: number) {
  return newJob(slaCheck, organizationId, { ticket_id: ticketId }, { delay_ms: delayMs, unique_key: `${ticketId} ${at.toISOString()}` })
}

async function tick(job: RunningJob<Payload>): Promise<Outcome> {
  const due = await job.read((db) => dueChecks(db, TICK_SECONDS, TICK_CHECKS_MAX))
  const everywhere = new Date().getUTCMinutes() % FAR_STEP_MINUTES === 0
  return {
    kind: 'succeed',
    result: { due: due.length, overdue: due.filter(({ delay_ms }) => delay_ms === 0).length },
    writes: async (tx) => {
      await enqueueJobs(
        tx,
        due.map(({ organization_id, ticket_id, next_check_at, delay_ms }) => checkAt(organization_id, ticket_id, next_check_at, delay_ms)),
      )
      await refreshMinutesToBreach(tx, everywhere ? FAR_MINUTES : NEAR_MINUTES)
    },
  }
}

/** For one ticket, whose check comes each time the risk has something new to go by; a whole organisation's are left to theirs. */
async function risksOf(
  job: RunningJob<Payload>,
  findings: readonly { ticket: SlaTicket; finding: Finding }[],
): Promise<{ ticket_id: string; risk: number | null; prediction: SlaPrediction | null }[]> {
  if (job.payload.ticket_id === undefined) return []
  return Promise.all(
    findings.map(async ({ ticket, finding: { clocks } }) => {
      const read = await job.read((db) => readRisk(db, ticket, clocks))
      return { ticket_id: ticket.id, risk: read.risk, prediction: predictionOf(ticket, clocks, read) }
    }),
  )
}

async function ticketsOf(job: RunningJob<Payload>): Promise<readonly SlaTicket[]> {
  const { ticket_id, after = FIRST_ID } = job.payload
  if (ticket_id === undefined) return job.read((db) => slaTicketsAfter(db, after, PIECE))
  const ticket = await job.read((db) => readSlaTicket(db, ticket_id))
  return ticket ? [ticket] : []
}
