import type { Ticket } from './shapes.ts'

/** From this risk on a ticket is told to be at risk. */
const RISKY = 0.5
const SOON_MS = 4 * 3_600_000
const PRIORITY: Record<string, number> = { urgent: 3, high: 2, medium: 1, low: 0 }

export type Urgency = 'overdue' | 'risk' | 'soon' | 'later' | 'unset'

export const URGENCIES: Record<Urgency, string> = {
  overdue: 'Overdue',
  risk: 'At risk',
  soon: 'Due within 4 hours',
  later: 'Due later',
  unset: 'No clock runs',
}

export function urgencyOf({ sla_due_at, sla_risk_score }: Ticket, now: number): Urgency {
  const due = sla_due_at === null ? null : Date.parse(sla_due_at)
  if (due !== null && due < now) return 'overdue'
  if ((sla_risk_score ?? 0) >= RISKY) return 'risk'
  if (due === null) return 'unset'
  return due < now + SOON_MS ? 'soon' : 'later'
}

/** What to take up first: what is overdue, then by risk, then by due time, then by priority, then what came first. */
export function byUrgency(tickets: readonly Ticket[], now: number): Ticket[] {
  const order = Object.keys(URGENCIES)
  const rank = (ticket: Ticket) => order.indexOf(urgencyOf(ticket, now))
  const due = ({ sla_due_at }: Ticket) => (sla_due_at === null ? Number.MAX_SAFE_INTEGER : Date.parse(sla_due_at))
  const risk = (ticket: Ticket) => (urgencyOf(ticket, now) === 'risk' ? -(ticket.sla_risk_score ?? 0) : 0)
  return tickets.toSorted(
    (a, b) => rank(a) - rank(b) || risk(a) - risk(b) || due(a) - due(b) || (PRIORITY[b.priority] ?? 0) - (PRIORITY[a.priority] ?? 0) || a.number - b.number,
  )
}
