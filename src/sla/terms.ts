import type { Priority } from '#db/job-inputs.ts'
import type { PolicyTerm, SlaTicket } from '#db/sla-tickets.ts'
import type { Calendar } from './calendar.ts'
import { calendarOf } from './calendars.ts'

const MINUTE_MS = 60_000

/** The clocks of a ticket, in the order in which they are told. */
export const CLOCKS = ['first_response', 'next_response', 'resolution'] as const
export type Clock = (typeof CLOCKS)[number]

/** What holds for all clocks of a ticket from `at` on; targets in milliseconds. */
export interface TicketTerm {
  at: number
  targets: Readonly<Record<Clock, number | null>>
  calendar: Calendar
  pause_states: readonly string[]
  reopen_mode: 'resume' | 'new_cycle'
  policy_id: string
  priority: Priority
}

/**
 * What held for a ticket since `start`, the oldest first: each change of its priority, of its policy, and of what that
 * policy (or its calendar) says begins a new term. Empty where no policy ever said anything. Pure.
 */
export function termsOf(ticket: SlaTicket, start: number): TicketTerm[] {
  const changes = [
    ...priorityChanges(ticket).map(({ at }) => at),
    ...ticket.policy_changes.map(({ at }) => at.getTime()),
    ...[...ticket.policies.values()].flatMap(({ terms }) => terms.map(({ valid_from }) => valid_from?.getTime() ?? 0)),
  ]
  const instants = [start, ...new Set(changes.filter((at) => at > start).toSorted((a, b) => a - b))]
  const terms: TicketTerm[] = []
  for (const at of instants) {
    const term = termAt(ticket, at)
    if (term && !isSame(term, terms.at(-1))) terms.push(term)
  }
  // The first term holds from the start, also where the policy came later.
  return terms.map((term, index) => (index === 0 ? { ...term, at: start } : term))
}

/** The term that holds at an instant; of a list that is not empty. */
export function termAtInstant(terms: readonly TicketTerm[], instant: number): TicketTerm {
  return terms.findLast(({ at }) => at <= instant) ?? terms[0]!
}

function termAt(ticket: SlaTicket, at: number): TicketTerm | null {
  const policyId = policyAt(ticket, at)
  const said = policyId === null ? undefined : saidAt(ticket.policies.get(policyId)?.terms ?? [], at)
  if (policyId === null || !said) return null
  const priority = priorityAt(ticket, at)
  return {
    at,
    targets: {
      first_response: milliseconds(said.first_response_minutes[priority]),
      next_response: milliseconds(said.next_response_minutes[priority]),
      resolution: milliseconds(said.resolution_minutes[priority]),
    },
    calendar: calendarOf(said.calendar),
    pause_states: said.pause_states,
    reopen_mode: said.reopen_mode,
    policy_id: policyId,
    priority,
  }
}

/** Priorities from when on, out of the ticket's transitions. */
function priorityChanges({ transitions }: SlaTicket): { at: number; from: Priority; to: Priority }[] {
  return transitions
    .filter(({ from_priority, to_priority }) => from_priority !== to_priority)
    .map(({ at, from_priority, to_priority }) => ({ at: at.getTime(), from: from_priority, to: to_priority }))
}

function priorityAt(ticket: SlaTicket, instant: number): Priority {
  const changes = priorityChanges(ticket)
  return changes.findLast(({ at }) => at <= instant)?.to ?? changes[0]?.from ?? ticket.priority
}

function policyAt({ policy_id, policy_changes }: SlaTicket, instant: number): string | null {
  const before = policy_changes.findLast(({ at }) => at.getTime() <= instant)
  if (before) return before.to_policy_id ?? policy_id
  return policy_changes[0]?.from_policy_id ?? policy_id
}

function saidAt(terms: readonly PolicyTerm[], instant: number): PolicyTerm | undefined {
  return terms.findLast(({ valid_from }) => valid_from === null || valid_from.getTime() <= instant)
}

function milliseconds(minutes: number | null | undefined): number | null {
  return minutes == null ? null : minutes * MINUTE_MS
}

function isSame(term: TicketTerm, other: TicketTerm | undefined): boolean {
  return (
    other !== undefined &&
    CLOCKS.every((clock) => term.targets[clock] === other.targets[clock]) &&
    term.calendar === other.calendar &&
    term.reopen_mode === other.reopen_mode &&
    term.pause_states.join() === other.pause_states.join()
  )
}
