import { setup } from 'xstate'

export type SlaClockEvent =
  | { type: 'START' }
  | { type: 'PAUSE' }
  | { type: 'RESUME' }
  | { type: 'FULFIL' }
  | { type: 'BREACH' }
  | { type: 'REOPEN' }
  | { type: 'CANCEL' }

/** One SLA clock of a ticket. A breach is recorded once and never taken back; the clock runs on until it is fulfilled. */
export const slaClockMachine = setup({ types: { events: {} as SlaClockEvent } }).createMachine({
  id: 'sla_clock',
  initial: 'pending',
  states: {
    pending: { on: { START: { target: 'running' }, CANCEL: { target: 'cancelled' } } },
    running: {
      on: { PAUSE: { target: 'paused' }, BREACH: { target: 'breached' }, FULFIL: { target: 'met' }, CANCEL: { target: 'cancelled' } },
    },
    // A change of the policy may make it late while it stands.
    paused: { on: { RESUME: { target: 'running' }, BREACH: { target: 'breached' }, FULFIL: { target: 'met' }, CANCEL: { target: 'cancelled' } } },
    breached: { on: { FULFIL: { target: 'missed' }, CANCEL: { target: 'cancelled' } } },
    met: { on: { REOPEN: { target: 'running' } } },
    missed: { on: { REOPEN: { target: 'breached' } } },
    cancelled: {},
  },
})
