/** How a group's tickets find their agent. */
export const STRATEGIES = ['manual', 'round_robin', 'least_load'] as const
export type Strategy = (typeof STRATEGIES)[number]

/** A member of a group who can be given a ticket. */
export interface Candidate {
  user_id: string
  /** Tickets that they work on now. */
  open: number
  /** With so many open tickets they get no more; null without a limit. */
  max_open: number | null
  /** Which turn of the group was last theirs; 0 where none was. */
  last_turn: number
}

/**
 * Whose turn it is: with `round_robin` theirs who waited longest, with `least_load` theirs who has least to do. What is
 * equal is decided by the longest wait, then by id, so that the same facts always give the same answer. Pure.
 *
 * @returns null where nobody has room
 */
export function chooseAssignee(strategy: Exclude<Strategy, 'manual'>, candidates: readonly Candidate[]): Candidate | null {
  const free = candidates.filter(({ open, max_open }) => max_open === null || open < max_open)
  const load = (candidate: Candidate): number => (strategy === 'least_load' ? candidate.open : 0)
  const order = (one: Candidate, other: Candidate): number =>
    load(one) - load(other) || one.last_turn - other.last_turn || (one.user_id < other.user_id ? -1 : 1)
  return free.toSorted(order)[0] ?? null
}
