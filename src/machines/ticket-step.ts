import { ticketChart } from './charts.ts'
import { compile } from './compile.ts'
import type { TicketEvent, TicketState } from './ticket.ts'

const step = compile<null, TicketEvent>(ticketChart, {}, {})

/** The ticket's status after `event`, or null where its machine has no such transition. Pure. */
export function nextTicket(status: TicketState, event: TicketEvent): TicketState | null {
  return (step({ state: status, context: null }, event)?.state ?? null) as TicketState | null
}

/** The event that takes a ticket from one status to another, or null where none does. No two events lead the same way. */
export function ticketEventTo(from: TicketState, to: TicketState): TicketEvent | null {
  const edge = ticketChart.edges.find((each) => each.from === from && each.to === to)
  return edge ? ({ type: edge.event } as TicketEvent) : null
}

/** The statuses that a ticket can have next. */
export function statusesAfter(status: TicketState): TicketState[] {
  return ticketChart.edges.filter((edge) => edge.from === status).map((edge) => edge.to as TicketState)
}
