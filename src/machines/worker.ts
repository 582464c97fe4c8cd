import { assign, setup } from 'xstate'

export interface WorkerContext {
  /** The worker's row; null before it is registered. */
  id: number | null
  error: unknown
}

export type WorkerEvent =
  | { type: 'REGISTERED'; id: number }
  /** The row says that the others took this worker for dead: its jobs are theirs now. */
  | { type: 'DECLARED_LOST' }
  | { type: 'DRAIN' }
  | { type: 'DRAINED' }
  /** XState's own name for the death of a child. */
  | { type: `xstate.error.actor.${string}`; error: unknown; actorId: string }

/**
 * One worker process: registers, then supervises its services and its queue supervisors. A child that crashes is
 * started again within its restart budget; beyond that the worker fails, and whoever keeps the process starts it again.
 */
export const workerMachine = setup({
  types: { context: {} as WorkerContext, events: {} as WorkerEvent },
  actions: {
    register: () => {},
    startChildren: () => {},
    abandonChildren: () => {},
    restartChild: () => {},
    drainChildren: () => {},
    signOff: () => {},
    rememberId: assign({ id: ({ event }) => (event.type === 'REGISTERED' ? event.id : null) }),
    rememberError: assign({ error: ({ event }) => ('error' in event ? event.error : null) }),
  },
  guards: { budgetIsSpent: () => false },
}).createMachine({
  id: 'worker',
  context: { id: null, error: null },
  initial: 'starting',
  states: {
    starting: {
      entry: 'register',
      on: {
        REGISTERED: { target: 'working', actions: 'rememberId' },
        DRAIN: { target: 'stopped' },
        'xstate.error.actor.*': { target: 'failed', actions: 'rememberError' },
      },
    },
    working: {
      entry: 'startChildren',
      on: {
        DECLARED_LOST: { target: 'starting', actions: 'abandonChildren' },
        DRAIN: { target: 'draining' },
        'xstate.error.actor.*': [{ guard: 'budgetIsSpent', target: 'failed', actions: 'rememberError' }, { actions: 'restartChild' }],
      },
    },
    draining: {
      entry: 'drainChildren',
      on: {
        DRAINED: { target: 'stopped' },
        'xstate.error.actor.*': { target: 'failed', actions: 'rememberError' },
      },
    },
    stopped: { type: 'final', entry: 'signOff' },
    failed: { type: 'final', entry: 'signOff' },
  },
})
