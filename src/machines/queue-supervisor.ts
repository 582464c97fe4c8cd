import { assign, setup } from 'xstate'

export interface QueueSupervisorContext {
  queue: string
  /** A wake-up came while a claim was under way, so that claim may have missed the job. */
  woken: boolean
}

export type QueueSupervisorEvent =
  | { type: 'CLAIMED'; wanted: number; received: number }
  | { type: 'DATABASE_AWAY' }
  | { type: 'RETRY' }
  | { type: 'WAKE' }
  | { type: 'POLL' }
  | { type: 'SLOT_FREE' }
  | { type: 'JOB_CRASHED'; error: unknown }
  | { type: 'DRAIN' }
  | { type: 'DRAINED' }

/**
 * Claims for one queue and hosts its jobs. It holds the claimed window, never the queue: the table is the queue. The
 * actions and guards are names here; src/actors/supervisor.ts provides what they do.
 */
export const queueSupervisorMachine = setup({
  types: { context: {} as QueueSupervisorContext, events: {} as QueueSupervisorEvent, input: {} as { queue: string } },
  actions: {
    claim: () => {},
    waitForWork: () => {},
    stopWaiting: () => {},
    backOff: () => {},
    drainCrew: () => {},
    escalate: () => {},
    countCrash: () => {},
    rememberWake: assign({ woken: true }),
    forgetWake: assign({ woken: false }),
  },
  guards: {
    hasNoSlot: () => false,
    mayHaveMore: ({ context }) => context.woken,
    budgetIsSpent: () => false,
  },
}).createMachine({
  id: 'queue_supervisor',
  context: ({ input }) => ({ queue: input?.queue ?? '', woken: false }),
  initial: 'claiming',
  states: {
    claiming: {
      entry: ['claim', 'forgetWake'],
      on: {
        CLAIMED: [{ guard: 'hasNoSlot', target: 'full' }, { guard: 'mayHaveMore', target: 'claiming', reenter: true }, { target: 'waiting' }],
        WAKE: { actions: 'rememberWake' },
        DATABASE_AWAY: { target: 'recovering' },
        JOB_CRASHED: [{ guard: 'budgetIsSpent', target: 'failed' }, { actions: 'countCrash' }],
        DRAIN: { target: 'draining' },
      },
    },
    waiting: {
      entry: 'waitForWork',
      exit: 'stopWaiting',
      on: {
        WAKE: { target: 'claiming' },
        POLL: { target: 'claiming' },
        JOB_CRASHED: [{ guard: 'budgetIsSpent', target: 'failed' }, { actions: 'countCrash' }],
        DRAIN: { target: 'draining' },
      },
    },
    full: {
      on: {
        SLOT_FREE: { target: 'claiming' },
        JOB_CRASHED: [{ guard: 'budgetIsSpent', target: 'failed' }, { actions: 'countCrash' }],
        DRAIN: { target: 'draining' },
      },
    },
    recovering: {
      entry: 'backOff',
      on: {
        RETRY: { target: 'claiming' },
        JOB_CRASHED: [{ guard: 'budgetIsSpent', target: 'failed' }, { actions: 'countCrash' }],
        DRAIN: { target: 'draining' },
      },
    },
    draining: {
      entry: 'drainCrew',
      on: { DRAINED: { target: 'stopped' } },
    },
    stopped: { type: 'final' },
    failed: { entry: 'escalate' },
  },
})
