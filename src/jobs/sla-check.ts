import { z } from 'zod'
import { Breather } from '#ai/breather.ts'
import { readSlaTicket, slaTicketsAfter, updateSlaDue, upsertSlaCycles } from '#db/sla.ts'
import type { SlaCycle, SlaTicket } from '#db/sla.ts'
import { metrics } from '#metrics.ts'
import { cyclesOf, minutesToBreach, readTicketClocks } from '#sla/ticket-clocks.ts'
import type { JobType, RunningJob } from './job-type.ts'
import { TICKET_BACKOFF } from './ticket-job.ts'

const PAGE = 200
/** Far from its due time a ticket's figure may be this old, so that waiting tickets are not rewritten every minute. */
const FIGURE_STEP_MINUTES = 5
const NEAR_MINUTES = 60
const FIRST_ID = '00000000-0000-0000-0000-000000000000'

const payload = z.strictObject({ ticket_id: z.uuid().optional() })
type Payload = z.infer<typeof payload>

interface Standing {
  ticket_id: string
  due_at: Date | null
  time_to_breach_minutes: number | null
}

/** Reads every running clock of the organisation (or one ticket's), plans it anew, and records breaches and ended cycles. */
export const slaCheck: JobType<Payload> = {
  name: 'SLA_CHECK',
  queue: 'default',
  payload,
  max_attempts: 3,
  timeout_ms: 300_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const cycles: SlaCycle[] = []
    const standings: Standing[] = []
    const breaches: { clock: string; late_seconds: number }[] = []
    const breather = new Breather()
    let checked = 0
    for await (const ticket of ticketsOf(job)) {
      const now = ticket.now.getTime()
      const clocks = readTicketClocks(ticket, now)
      const rows = cyclesOf(ticket, clocks)
      checked += 1
      cycles.push(...rows)
      for (const { clock, breached_at } of rows) {
        if (breached_at && !ticket.breached.includes(clock)) breaches.push({ clock, late_seconds: (now - breached_at.getTime()) / 1_000 })
      }
      const due = clocks.resolution?.due ?? null
      const standing = { ticket_id: ticket.id, due_at: due === null ? null : new Date(due), time_to_breach_minutes: minutesToBreach(clocks, now) }
      if (clocks.resolution && isNews(ticket, standing)) standings.push(standing)
      if (breather.due) await breather.pause(job.signal)
    }
    return {
      kind: 'succeed',
      result: { checked, breached: breaches.length },
      writes: async (tx) => {
        await upsertSlaCycles(tx, cycles)
        await updateSlaDue(tx, standings)
        for (const { clock, late_seconds } of breaches) {
          metrics.slaBreaches.inc({ clock })
          metrics.slaLateness.observe(Math.max(0, late_seconds))
        }
      },
    }
  },
}

async function* ticketsOf(job: RunningJob<Payload>): AsyncGenerator<SlaTicket> {
  const { ticket_id } = job.payload
  if (ticket_id !== undefined) {
    const ticket = await job.read((db) => readSlaTicket(db, ticket_id))
    if (ticket) yield ticket
    return
  }
  for (let after = FIRST_ID; ;) {
    const page = await job.read((db) => slaTicketsAfter(db, after, PAGE))
    yield* page
    if (page.length < PAGE) return
    after = page.at(-1)!.id
  }
}

function isNews(ticket: SlaTicket, { due_at, time_to_breach_minutes: minutes }: Standing): boolean {
  if (ticket.sla_due_at?.getTime() !== due_at?.getTime()) return true
  const shown = ticket.time_to_breach_minutes
  if (minutes === null || shown === null) return minutes !== shown
  return Math.abs(minutes - shown) >= (minutes <= NEAR_MINUTES ? 1 : FIGURE_STEP_MINUTES)
}
