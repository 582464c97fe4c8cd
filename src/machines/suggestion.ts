import { setup } from 'xstate'

export type SuggestionEvent = { type: 'ACCEPT' } | { type: 'EDIT' } | { type: 'REJECT' } | { type: 'EXPIRE' } | { type: 'REPLACE' }

/** What becomes of a suggestion. An agent decides once; what nobody decided expires or is replaced by a newer one. */
export const suggestionMachine = setup({ types: { events: {} as SuggestionEvent } }).createMachine({
  id: 'suggestion',
  initial: 'offered',
  states: {
    offered: {
      on: {
        ACCEPT: { target: 'accepted' },
        EDIT: { target: 'edited' },
        REJECT: { target: 'rejected' },
        EXPIRE: { target: 'expired' },
        REPLACE: { target: 'replaced' },
      },
    },
    accepted: {},
    edited: {},
    rejected: {},
    expired: {},
    replaced: {},
  },
})
