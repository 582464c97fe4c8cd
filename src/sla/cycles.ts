import { countedSpans, dueAt, elapsedMs } from './clock.ts'
import type { Calendar } from './calendar.ts'
import type { Counting, Pause } from './clock.ts'

/** From `at` on, this target (milliseconds) and calendar hold. The first holds from the start. */
export interface Term {
  at: number
  target: number | null
  calendar: Calendar
}

/** What happened to one clock; milliseconds since 1970 throughout. */
export interface History {
  start: number
  /** In order; at least one. A later term recomputes from the original start. */
  terms: readonly Term[]
  pauses: readonly Pause[]
  solved_at: number | null
  reopened_at: number | null
  mode: 'resume' | 'new_cycle'
}

interface Breach {
  at: number
  reason: 'due' | 'retroactive'
}

/** One cycle of a clock as it stands at an instant. */
export interface Reading {
  cycle: number
  counting: Counting
  target: number | null
  due: number | null
  elapsed: number
  remaining: number | null
  breach: Breach | null
  fulfilled_at: number | null
  state: 'running' | 'paused' | 'breached' | 'met' | 'missed'
}

/** Reads every cycle of a clock at `now`; the last one is the current. Pure. */
export function readCycles(history: History, now: number): Reading[] {
  const { solved_at, reopened_at } = history
  const reopened = solved_at !== null && reopened_at !== null && reopened_at <= now
  if (solved_at !== null && solved_at <= now && !reopened) return [readCycle(history, now, 1, solved_at)]
  if (!reopened) return [readCycle(history, now, 1, null)]
  if (history.mode === 'resume') {
    return [readCycle({ ...history, pauses: [...history.pauses, { from: solved_at, to: reopened_at }] }, now, 1, null)]
  }
  const terms = history.terms.filter((_, index) => (history.terms[index + 1]?.at ?? Number.POSITIVE_INFINITY) > reopened_at)
  const second = { ...history, start: reopened_at, terms }
  return [readCycle(history, solved_at, 1, solved_at), readCycle(second, now, 2, null)]
}

/** Reads one cycle, which began with `start` and ended with its fulfilment where there is one. Pure. */
export function readCycle(history: Pick<History, 'start' | 'terms' | 'pauses'>, now: number, cycle: number, fulfilledAt: number | null): Reading {
  const until = Math.min(now, fulfilledAt ?? now)
  const term = history.terms.findLast(({ at }) => at <= until) ?? history.terms[0]!
  const counting = { calendar: term.calendar, start: history.start, pauses: history.pauses }
  const elapsed = elapsedMs(counting, until)
  const due = term.target === null ? null : dueAt(counting, term.target)
  const breach = breachOf(history, until, fulfilledAt)
  const paused = history.pauses.some(({ from, to }) => from <= until && (to === null || to > until))
  return {
    cycle,
    counting,
    target: term.target,
    due,
    elapsed,
    remaining: term.target === null ? null : term.target - elapsed,
    breach,
    fulfilled_at: fulfilledAt,
    state: fulfilledAt === null ? (breach ? 'breached' : paused ? 'paused' : 'running') : breach ? 'missed' : 'met',
  }
}

/** The first breach, which no later change takes back. One that a change makes lies at the change, not before it. */
function breachOf(history: Pick<History, 'start' | 'terms' | 'pauses'>, until: number, fulfilledAt: number | null): Breach | null {
  for (const [index, { at, target, calendar }] of history.terms.entries()) {
    if (target === null) continue
    const begins = index === 0 ? history.start : Math.max(at, history.start)
    const ends = Math.min(history.terms[index + 1]?.at ?? Number.POSITIVE_INFINITY, until)
    if (begins > until) return null
    const due = dueAt({ calendar, start: history.start, pauses: history.pauses }, target)
    if (due === null) continue
    if (index > 0 && due < begins) return { at: begins, reason: 'retroactive' }
    // The last second still counts as kept: who fulfils at the due instant has met it.
    if (due < ends || (due === ends && ends === until && fulfilledAt === null && due > history.start)) return { at: due, reason: 'due' }
  }
  return null
}

/** A warning falls on the earliest instant at which so much of the target is used up. */
export interface Warning {
  percent?: number
  minutes_before?: number
  at: number
}

export function warningsOf({ counting, target }: Reading, percents: readonly number[], minutesBefore: readonly number[]): Warning[] {
  if (target === null) return []
  const wanted = [
    ...percents.map((percent) => ({ percent, after: (target * percent) / 100 })),
    ...minutesBefore.map((minutes_before) => ({ minutes_before, after: target - minutes_before * 60_000 })),
  ]
  return wanted.flatMap(({ after, ...name }) => {
    const at = after > 0 ? dueAt(counting, after) : null
    return at === null ? [] : [{ ...name, at }]
  })
}

/** Why a clock stands where it stands: what was counted up to `to`, stretches that touch as one. */
export function intervalsOf(reading: Reading, to: number): { from: number; to: number; counted_seconds: number }[] {
  const merged: { from: number; to: number }[] = []
  for (const span of countedSpans(reading.counting, to)) {
    const previous = merged.at(-1)
    if (previous?.to === span.from) previous.to = span.to
    else merged.push({ ...span })
  }
  return merged.map((span) => ({ ...span, counted_seconds: (span.to - span.from) / 1_000 }))
}
