import { chartOf } from './chart.ts'
import { compile } from './compile.ts'
import { suggestionMachine } from './suggestion.ts'
import type { SuggestionEvent } from './suggestion.ts'

export const SUGGESTION_STATES = ['offered', 'accepted', 'edited', 'rejected', 'expired', 'replaced'] as const
export type SuggestionState = (typeof SUGGESTION_STATES)[number]

const chart = chartOf(suggestionMachine, 'OFFER')
const step = compile<null, SuggestionEvent>(chart, {}, {})

/** The suggestion's state after `event`, or null where its machine has no such transition. Pure. */
export function nextSuggestion(state: SuggestionState, event: SuggestionEvent['type']): SuggestionState | null {
  return (step({ state, context: null }, { type: event })?.state ?? null) as SuggestionState | null
}

/** What somebody may do with a suggestion in this state. */
export function decisionsOn(state: SuggestionState): (typeof DECISIONS)[number][] {
  return DECISIONS.filter((event) => nextSuggestion(state, event) !== null)
}

/** The events that are a person's; the others come from time and from newer suggestions. */
const DECISIONS = ['ACCEPT', 'EDIT', 'REJECT'] as const
