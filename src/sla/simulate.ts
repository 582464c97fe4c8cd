import { z } from 'zod'
import { Calendar, calendarDefinition, HORIZON_DAYS } from './calendar.ts'
import { intervalsOf, readCycles, warningsOf } from './cycles.ts'
import type { History, Term } from './cycles.ts'

const MINUTE_MS = 60_000
const MAX_TARGET_MINUTES = 5 * 366 * 24 * 60

const instant = z.iso.datetime({ offset: true }).transform((text) => Temporal.Instant.from(text).epochMilliseconds)
const targetMinutes = z.number().positive().max(MAX_TARGET_MINUTES)

const change = z
  .strictObject({
    at: instant,
    target_minutes: targetMinutes.optional(),
    target_min: targetMinutes.optional().describe('Another word for target_minutes'),
    calendar: calendarDefinition.optional(),
  })
  .transform(({ target_min, ...change }) => ({ ...change, target_minutes: change.target_minutes ?? target_min }))

/** A clock to be tried out: what POST /sla/simulate takes. */
export const simulation = z
  .strictObject({
    calendar: calendarDefinition,
    start: instant,
    target_minutes: targetMinutes.optional(),
    end: instant.optional(),
    pauses: z
      .array(z.strictObject({ from: instant, to: instant.nullable() }))
      .max(1_000)
      .default([]),
    changes: z.array(change).max(100).default([]),
    mode: z.enum(['resume', 'new_cycle']).default('resume'),
    solved_at: instant.optional(),
    reopened_at: instant.optional(),
    warn_percent: z.array(z.number().positive().max(100)).max(20).default([]),
    warn_minutes_before: z.array(z.number().positive().max(MAX_TARGET_MINUTES)).max(20).default([]),
  })
  .superRefine((asked, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message })
    if (asked.end !== undefined && asked.end < asked.start) refuse('end', 'lies before start')
    if (asked.end !== undefined && asked.end - asked.start > HORIZON_DAYS * 86_400_000) refuse('end', `lies more than ${HORIZON_DAYS} days after start`)
    if (asked.pauses.some(({ from, to }) => to !== null && to < from)) refuse('pauses', 'a pause ends before it begins')
    if (asked.reopened_at !== undefined && asked.solved_at === undefined) refuse('reopened_at', 'needs solved_at')
    if (asked.solved_at !== undefined && asked.reopened_at !== undefined && asked.reopened_at < asked.solved_at) refuse('reopened_at', 'lies before solved_at')
  })
export type Simulation = z.infer<typeof simulation>

/** The answer of POST /sla/simulate; instants are ISO 8601 in UTC. */
export interface Simulated {
  due_at: string | null
  remaining_seconds: number | null
  elapsed_seconds: number
  breached_at: string | null
  cycles: number
  warnings: { percent?: number; minutes_before?: number; at: string }[]
  intervals: { from: string; to: string; counted_seconds: number }[]
}

/** Runs the clock of a request, to `end`, or where none is given to the last thing that happened. Pure. */
export function simulate(asked: Simulation): Simulated {
  const now = asked.end ?? lastHappening(asked)
  const cycles = readCycles(historyOf(asked), now)
  const current = cycles.at(-1)!
  const shownTo = asked.end ?? current.fulfilled_at ?? current.due ?? now
  return {
    due_at: current.due === null ? null : isoInstant(current.due),
    remaining_seconds: current.remaining === null ? null : current.remaining / 1_000,
    elapsed_seconds: current.elapsed / 1_000,
    breached_at: current.breach ? isoInstant(current.breach.at) : null,
    cycles: cycles.length,
    warnings: warningsOf(current, asked.warn_percent, asked.warn_minutes_before).map((warning) => ({ ...warning, at: isoInstant(warning.at) })),
    intervals: intervalsOf(current, shownTo).map((span) => ({ ...span, from: isoInstant(span.from), to: isoInstant(span.to) })),
  }
}

function isoInstant(milliseconds: number): string {
  return Temporal.Instant.fromEpochMilliseconds(Math.round(milliseconds)).toString()
}

function historyOf(asked: Simulation): History {
  const terms: Term[] = [
    { at: asked.start, target: asked.target_minutes === undefined ? null : asked.target_minutes * MINUTE_MS, calendar: new Calendar(asked.calendar) },
  ]
  for (const { at, target_minutes, calendar } of asked.changes.toSorted((a, b) => a.at - b.at)) {
    const before = terms.at(-1)!
    terms.push({
      at,
      target: target_minutes === undefined ? before.target : target_minutes * MINUTE_MS,
      calendar: calendar ? new Calendar(calendar) : before.calendar,
    })
  }
  return { start: asked.start, terms, pauses: asked.pauses, solved_at: asked.solved_at ?? null, reopened_at: asked.reopened_at ?? null, mode: asked.mode }
}

function lastHappening({ start, pauses, changes, solved_at, reopened_at }: Simulation): number {
  const instants = [start, solved_at, reopened_at, ...pauses.flatMap(({ from, to }) => [from, to]), ...changes.map(({ at }) => at)]
  return Math.max(...instants.filter((at) => at !== undefined && at !== null))
}
