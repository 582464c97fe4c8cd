import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Calendar } from '#sla/calendar.ts'
import type { CalendarDefinition } from '#sla/calendar.ts'
import { dueAt, elapsedMs } from '#sla/clock.ts'

const SECOND_MS = 1_000
const DAY_S = 86_400
/** What is counted second by second: two local days and the night between them. */
const WINDOW_S = 36 * 3_600

// Nights on which clocks change by an hour, by half an hour, at midnight, and one on which a whole day was left out.
const NIGHTS = [
  ['Europe/Berlin', '2026-03-28T12:00:00Z'],
  ['Europe/Berlin', '2026-10-24T12:00:00Z'],
  ['America/New_York', '2026-11-01T00:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T06:00:00Z'],
  ['America/Santiago', '2026-09-05T18:00:00Z'],
  ['Asia/Kolkata', '2026-06-10T00:00:00Z'],
  ['Pacific/Apia', '2011-12-29T20:00:00Z'],
] as const

const wall = (second: number): string =>
  [Math.floor(second / 3_600), Math.floor(second / 60) % 60, second % 60].map((part) => String(part).padStart(2, '0')).join(':')

/** Up to three intervals of one day, with boundaries at any second. */
const day = fc
  .uniqueArray(fc.oneof(fc.integer({ min: 0, max: DAY_S }), fc.constantFrom(0, 7_200, 9_000, 10_800, DAY_S)), { maxLength: 6 })
  .map((seconds) => seconds.toSorted((a, b) => a - b))
  .map((seconds) =>
    Array.from({ length: Math.floor(seconds.length / 2) }, (_, index): [string, string] => [wall(seconds[2 * index]!), wall(seconds[2 * index + 1]!)]),
  )
const week = fc.record({ mon: day, tue: day, wed: day, thu: day, fri: day, sat: day, sun: day })
const situation = fc
  .record({
    night: fc.constantFrom(...NIGHTS),
    week,
    special: fc.option(day),
    holiday: fc.boolean(),
    offset: fc.integer({ min: 0, max: DAY_S }),
    pauses: fc.array(fc.tuple(fc.integer({ min: -3_600, max: WINDOW_S }), fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 20_000 }))), { maxLength: 3 }),
    target: fc.integer({ min: 1, max: 50_000 }),
  })
  .map(({ night: [tz, from], week, special, holiday, offset, pauses, target }) => {
    const start = Date.parse(from) + offset * SECOND_MS
    const dates = [0, 1, 2].map((days) => Temporal.Instant.fromEpochMilliseconds(start).toZonedDateTimeISO(tz).toPlainDate().add({ days }).toString())
    const definition: CalendarDefinition = { tz, week, holidays: holiday ? [dates[1]!] : [], special: special ? { [dates[1]!]: special } : {} }
    return {
      definition,
      start,
      target,
      pauses: pauses.map(([begin, length]) => ({ from: start + begin * SECOND_MS, to: length === null ? null : start + (begin + length) * SECOND_MS })),
    }
  })

/** The rule as it is written, asked of one second after the other: is it open, and is it no pause? */
function countSeconds({
  definition,
  start,
  pauses,
}: {
  definition: CalendarDefinition
  start: number
  pauses: { from: number; to: number | null }[]
}): Uint8Array {
  const open = openSpans(definition, start)
  const counts = new Uint8Array(WINDOW_S)
  for (let second = 0; second < WINDOW_S; second += 1) {
    const at = start + second * SECOND_MS
    const isOpen = open.some(([from, to]) => at >= from && at < to)
    const isPaused = pauses.some(({ from, to }) => at >= from && (to === null || at < to))
    if (isOpen && !isPaused) counts[second] = 1
  }
  return counts
}

function openSpans({ tz, week, holidays, special }: CalendarDefinition, start: number): [number, number][] {
  const first = Temporal.Instant.fromEpochMilliseconds(start).toZonedDateTimeISO(tz).toPlainDate()
  return [-2, -1, 0, 1, 2, 3].flatMap((days) => {
    const date = first.add({ days })
    const name = (['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const)[date.dayOfWeek - 1]!
    const intervals = special[date.toString()] ?? (holidays.includes(date.toString()) ? [] : (week[name] ?? []))
    const instant = (time: string): number => {
      const [hours, minutes, seconds] = time.split(':').map(Number) as [number, number, number]
      return date.toPlainDateTime().add({ hours, minutes, seconds }).toZonedDateTime(tz, { disambiguation: 'compatible' }).epochMilliseconds
    }
    return intervals.map(([from, to]): [number, number] => [instant(from), instant(to)])
  })
}

test('elapsed and due agree with an oracle that counts second by second, over every change of the clocks', () => {
  fc.assert(
    fc.property(situation, (asked) => {
      const counting = { calendar: new Calendar(asked.definition), start: asked.start, pauses: asked.pauses }
      const counts = countSeconds(asked)
      let elapsed = 0
      let due: number | null = null
      for (let second = 0; second < WINDOW_S; second += 1) {
        elapsed += counts[second]!
        if (due === null && elapsed === asked.target) due = asked.start + (second + 1) * SECOND_MS
      }
      assert.equal(elapsedMs(counting, asked.start + WINDOW_S * SECOND_MS) / SECOND_MS, elapsed)
      const answer = dueAt(counting, asked.target * SECOND_MS)
      if (due === null) assert.ok(answer === null || answer > asked.start + WINDOW_S * SECOND_MS)
      else assert.equal(answer, due)
    }),
    { numRuns: 300 },
  )
})

test('a holiday never makes a clock due earlier, an open pause leaves it without a due time, and a late pause moves nothing', () => {
  fc.assert(
    fc.property(situation, ({ definition, start, target }) => {
      const due = dueAt({ calendar: new Calendar(definition), start, pauses: [] }, target * SECOND_MS)
      if (due === null) return
      const date = Temporal.Instant.fromEpochMilliseconds(due).toZonedDateTimeISO(definition.tz).toPlainDate().toString()
      const closed = dueAt({ calendar: new Calendar({ ...definition, holidays: [...definition.holidays, date] }), start, pauses: [] }, target * SECOND_MS)
      assert.ok(closed === null || closed >= due)
      const calendar = new Calendar(definition)
      assert.equal(dueAt({ calendar, start, pauses: [{ from: start, to: null }] }, target * SECOND_MS), null)
      assert.equal(dueAt({ calendar, start, pauses: [{ from: due, to: null }] }, target * SECOND_MS), due)
    }),
    { numRuns: 200 },
  )
})
