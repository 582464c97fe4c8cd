import type { Calendar, Span } from './calendar.ts'

/** A stretch in which the clock stands still; `to` is null while it lasts. Milliseconds since 1970. */
export interface Pause {
  from: number
  to: number | null
}

/** What a clock counts: the calendar's open time from `start`, less the pauses. */
export interface Counting {
  calendar: Calendar
  start: number
  pauses: readonly Pause[]
}

/** The counted stretches of `[start, to)`, in order. */
export function* countedSpans({ calendar, start, pauses }: Counting, to: number): Generator<Span> {
  const closed = mergePauses(pauses)
  let next = 0
  for (const span of calendar.open(start, to)) {
    let from = span.from
    while (next < closed.length && closed[next]!.to <= from) next += 1
    for (let index = next; index < closed.length && closed[index]!.from < span.to; index += 1) {
      const pause = closed[index]!
      if (pause.from > from) yield { from, to: pause.from }
      from = Math.max(from, pause.to)
    }
    if (from < span.to) yield { from, to: span.to }
    if (closed.at(-1)?.to === Number.POSITIVE_INFINITY && span.to >= closed.at(-1)!.from) return
  }
}

/** Counted milliseconds in `[start, to)`. */
export function elapsedMs(counting: Counting, to: number): number {
  let elapsed = 0
  for (const span of countedSpans(counting, to)) elapsed += span.to - span.from
  return elapsed
}

/**
 * The earliest instant at which `target` milliseconds are used up: at closing time when they are used up exactly there.
 * Null while an open pause comes first, or where the calendar does not open often enough within the horizon.
 */
export function dueAt(counting: Counting, target: number): number | null {
  if (target <= 0) return counting.start
  let left = target
  for (const span of countedSpans(counting, Number.POSITIVE_INFINITY)) {
    const length = span.to - span.from
    if (length >= left) return span.from + left
    left -= length
  }
  return null
}

/** Overlapping and touching pauses as one; an open pause has no end. */
function mergePauses(pauses: readonly Pause[]): Span[] {
  const merged: Span[] = []
  const sorted = pauses.map(({ from, to }) => ({ from, to: to ?? Number.POSITIVE_INFINITY })).toSorted((a, b) => a.from - b.from)
  for (const pause of sorted) {
    if (pause.to <= pause.from) continue
    const previous = merged.at(-1)
    if (previous && pause.from <= previous.to) previous.to = Math.max(previous.to, pause.to)
    else merged.push(pause)
  }
  return merged
}
