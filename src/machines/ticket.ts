import { setup } from 'xstate'

export const TICKET_STATES = ['new', 'accepted', 'assigned', 'in_progress', 'waiting_customer', 'resolved', 'closed', 'cancelled'] as const
export type TicketState = (typeof TICKET_STATES)[number]

export type TicketEvent =
  | { type: 'ACCEPT' }
  | { type: 'ASSIGN' }
  | { type: 'BEGIN' }
  | { type: 'ASK_CUSTOMER' }
  | { type: 'CUSTOMER_REPLIED' }
  | { type: 'RESOLVE' }
  | { type: 'CLOSE' }
  | { type: 'REOPEN' }
  | { type: 'CANCEL' }

/** A ticket's way from new to closed. The SLA starts at ACCEPT. */
export const ticketMachine = setup({ types: { events: {} as TicketEvent } }).createMachine({
  id: 'ticket',
  initial: 'new',
  states: {
    new: { on: { ACCEPT: { target: 'accepted' }, CANCEL: { target: 'cancelled' } } },
    accepted: { on: { ASSIGN: { target: 'assigned' }, CANCEL: { target: 'cancelled' } } },
    assigned: { on: { BEGIN: { target: 'in_progress' }, CANCEL: { target: 'cancelled' } } },
    in_progress: { on: { ASK_CUSTOMER: { target: 'waiting_customer' }, RESOLVE: { target: 'resolved' } } },
    waiting_customer: { on: { CUSTOMER_REPLIED: { target: 'in_progress' }, RESOLVE: { target: 'resolved' } } },
    resolved: { on: { CLOSE: { target: 'closed' }, REOPEN: { target: 'in_progress' } } },
    closed: {},
    cancelled: {},
  },
})
