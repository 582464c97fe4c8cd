import type { SlaTicket } from '#db/sla-tickets.ts'
import type { Pause } from './clock.ts'
import { termAtInstant } from './terms.ts'
import type { TicketTerm } from './terms.ts'

/** A stretch in which a ticket had one status; `to` is null while it has it. */
interface Stretch extends Pause {
  status: string
}

/** A pause, and the status for which the clock stood still. */
export interface Standstill extends Pause {
  reason: string
}

/** One cycle of the resolution. */
export interface SolvingCycle {
  start: number
  solved_at: number | null
}

export interface Standstills {
  /** Of every clock: where the policy of the time pauses for the status. */
  pauses: Standstill[]
  /** Where the ticket was solved: nothing is owed to anybody. */
  solved: Standstill[]
  /** Solved stretches that ended in a reopening which resumed the clock. */
  resumed: Standstill[]
  cycles: SolvingCycle[]
}

/** Where the clocks of a ticket stood still since `start`, and how often its resolution began. Pure. */
export function standstillsOf(ticket: SlaTicket, start: number, terms: readonly TicketTerm[]): Standstills {
  const stretches = stretchesOf(ticket, start)
  const solved = solvedStretches(stretches)
  const resumed: Standstill[] = []
  const cycles: SolvingCycle[] = []
  let cycleStart = start
  for (const stretch of solved) {
    const mode = stretch.to === null ? null : termAtInstant(terms, stretch.to).reopen_mode
    if (mode === 'resume') resumed.push(stretch)
    else cycles.push({ start: cycleStart, solved_at: stretch.from })
    if (stretch.to !== null && mode === 'new_cycle') cycleStart = stretch.to
  }
  if (solved.at(-1)?.to !== null) cycles.push({ start: cycleStart, solved_at: null })
  return { pauses: stretches.flatMap((stretch) => pausedPieces(stretch, terms)), solved, resumed, cycles }
}

function stretchesOf({ transitions, status, resolved_at }: SlaTicket, start: number): Stretch[] {
  const moves = transitions.filter(({ from_status, to_status }) => from_status !== to_status)
  const stretches: Stretch[] = []
  let since: Stretch = { status: moves[0]?.from_status ?? status, from: start, to: null }
  // A ticket that came in solved has no transition that says when it was.
  if (moves.length === 0 && isSolved(status)) since = { status, from: Math.max(start, resolved_at?.getTime() ?? start), to: null }
  for (const { to_status, at } of moves) {
    const moment = Math.max(start, at.getTime())
    if (moment > since.from) stretches.push({ ...since, to: moment })
    since = { status: to_status, from: moment, to: null }
  }
  return [...stretches, since]
}

const isSolved = (status: string): boolean => status === 'resolved' || status === 'closed'

function solvedStretches(stretches: readonly Stretch[]): Standstill[] {
  const solved: Standstill[] = []
  for (const { status, from, to } of stretches) {
    if (!isSolved(status)) continue
    const before = solved.at(-1)
    if (before?.to === from) before.to = to
    else solved.push({ from, to, reason: 'resolved' })
  }
  return solved
}

/** A change of the states that pause holds from the change on; what was a pause before stays one. */
function pausedPieces({ status, from, to }: Stretch, terms: readonly TicketTerm[]): Standstill[] {
  return terms.flatMap(({ at, pause_states }, index) => {
    if (!pause_states.includes(status)) return []
    const begins = Math.max(from, index === 0 ? from : at)
    const next = terms[index + 1]?.at ?? null
    const ends = to === null ? next : next === null ? to : Math.min(to, next)
    return ends !== null && ends <= begins ? [] : [{ from: begins, to: ends, reason: status }]
  })
}
