import { updateSlaDue, updateSlaRisk } from '#db/sla.ts'
import { insertPredictions } from '#db/sla-risk.ts'
import { readSlaTicket } from '#db/sla-tickets.ts'
import { predictionOf, readRisk } from '#sla/risk.ts'
import { minutesToBreach, readTicketClocks } from '#sla/ticket-clocks.ts'
import { PermanentFailure } from './job-type.ts'
import type { JobType } from './job-type.ts'
import { TICKET_BACKOFF, ticketPayload } from './ticket-job.ts'
import type { TicketPayload } from './ticket-job.ts'

/** Works out when a ticket will breach and how likely that is; the result says what the risk was computed from. */
export const slaPredict: JobType<TicketPayload> = {
  name: 'SLA_PREDICT',
  queue: 'default',
  payload: ticketPayload,
  max_attempts: 5,
  timeout_ms: 30_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const { ticket_id } = job.payload
    const ticket = await job.read((db) => readSlaTicket(db, ticket_id))
    if (!ticket) throw new PermanentFailure(`the organisation has no ticket ${ticket_id}`)
    const now = ticket.now.getTime()
    const clocks = readTicketClocks(ticket, now)
    const read = await job.read((db) => readRisk(db, ticket, clocks))
    // Of a clock that has yet to begin nothing is used up.
    const { risk, basis, rows, version } = read.basis === 'no_running_clock' && ticket.sla_started_at === null ? { ...read, risk: 0 } : read
    const time_to_breach_minutes = minutesToBreach(clocks, now)
    const prediction = predictionOf(ticket, clocks, read)
    const due = clocks.resolution?.due ?? null
    return {
      kind: 'succeed',
      result: { time_to_breach_minutes, sla_risk_score: risk, basis, history_rows: rows, model_version: version },
      writes: async (tx) => {
        await updateSlaDue(tx, [{ ticket_id, due_at: due === null ? null : new Date(due), time_to_breach_minutes }])
        await updateSlaRisk(tx, [{ ticket_id, risk }])
        await insertPredictions(tx, prediction ? [prediction] : [])
      },
    }
  },
}
