import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Calendar, calendarDefinition } from '#sla/calendar.ts'
import type { CalendarDefinition } from '#sla/calendar.ts'
import { dueAt, elapsedMs } from '#sla/clock.ts'
import type { Pause } from '#sla/clock.ts'
import { readCycles } from '#sla/cycles.ts'

const HOUR_MS = 3_600_000
// Both nights on which Berlin's clocks change lie within a day of one of these.
const STARTS = ['2026-03-28T20:00:00Z', '2026-10-24T20:00:00Z', '2026-06-10T06:00:00Z'].map((text) => Date.parse(text))
const STEP_S = 60

const minuteOfDay = fc.integer({ min: 0, max: 24 * 60 })
const wall = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
const dayIntervals = fc.uniqueArray(minuteOfDay, { minLength: 2, maxLength: 6 }).map((minutes) => {
  const sorted = minutes.toSorted((a, b) => a - b)
  return Array.from({ length: Math.floor(sorted.length / 2) }, (_, index): [string, string] => [wall(sorted[2 * index]!), wall(sorted[2 * index + 1]!)])
})
const definition = fc.record({ even: dayIntervals, odd: dayIntervals, holiday: fc.boolean() }).map(({ even, odd, holiday }): CalendarDefinition => ({
  tz: 'Europe/Berlin',
  week: { mon: even, tue: odd, wed: even, thu: odd, fri: even, sat: odd, sun: even },
  holidays: holiday ? ['2026-06-11'] : [],
  special: { '2026-06-12': odd },
}))
const pauses = fc.array(
  fc.record({ from: fc.integer({ min: 0, max: 2_000 }), length: fc.integer({ min: 0, max: 500 }) }).map(({ from, length }) => ({ from, to: from + length })),
  { maxLength: 4 },
)

/** The rule read out second by second (here: by steps that divide every boundary), by looking at the wall clock. */
function oracleOpen(calendar: CalendarDefinition, at: number): boolean {
  const local = Temporal.Instant.fromEpochMilliseconds(at).toZonedDateTimeISO(calendar.tz)
  const date = local.toPlainDate().toString()
  const day = (['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const)[local.dayOfWeek - 1]!
  const intervals = calendar.special[date] ?? (calendar.holidays.includes(date) ? [] : (calendar.week[day] ?? []))
  // A wall time names the instant that `compatible` gives it, so the boundary is compared as an instant.
  const instantOf = (time: string): number => {
    const [hours, minutes] = time.split(':').map(Number) as [number, number]
    const wallTime = local.toPlainDate().toPlainDateTime().add({ hours, minutes })
    return wallTime.toZonedDateTime(calendar.tz, { disambiguation: 'compatible' }).epochMilliseconds
  }
  return intervals.some(([open, close]) => at >= instantOf(open) && at < instantOf(close))
}

test('elapsed and due agree with a clock that is read step by step', () => {
  fc.assert(
    fc.property(definition, pauses, fc.constantFrom(...STARTS), fc.integer({ min: 1, max: 600 }), (calendar, paused, start, target) => {
      const stopped: Pause[] = paused.map(({ from, to }) => ({ from: start + from * 60_000, to: start + to * 60_000 }))
      const counting = { calendar: new Calendar(calendar), start, pauses: stopped }
      let counted = 0
      let due: number | null = null
      const end = start + 36 * HOUR_MS
      for (let at = start; at < end; at += STEP_S * 1_000) {
        if (oracleOpen(calendar, at) && !stopped.some(({ from, to }) => at >= from && at < to!)) counted += STEP_S
        if (due === null && counted === target * 60) due = at + STEP_S * 1_000
      }
      assert.equal(elapsedMs(counting, end) / 1_000, counted)
      if (due !== null) assert.equal(dueAt(counting, target * 60_000), due)
    }),
    { numRuns: 60 },
  )
})

test('a longer target is never due earlier, a pause never makes it earlier, and elapsed at due is the target', () => {
  fc.assert(
    fc.property(definition, pauses, fc.constantFrom(...STARTS), fc.integer({ min: 1, max: 5_000_000 }), (calendar, paused, start, target) => {
      const stopped = paused.map(({ from, to }) => ({ from: start + from * 60_000, to: start + to * 60_000 }))
      const free = { calendar: new Calendar(calendar), start, pauses: [] }
      const halted = { ...free, pauses: stopped }
      const due = dueAt(halted, target)!
      assert.ok(dueAt(halted, target + 1_000)! >= due)
      assert.ok(dueAt(free, target)! <= due)
      assert.equal(elapsedMs(halted, due), target)
    }),
    { numRuns: 200 },
  )
})

test('a calendar that never opens, an unknown zone, a backward or an overlapping interval is refused when written', () => {
  const refused = (calendar: unknown): void => assert.equal(calendarDefinition.safeParse(calendar).success, false)
  refused({ tz: 'Europe/Berlin', week: { mon: [] } })
  refused({ tz: 'Mars/Olympus', week: { mon: [['09:00', '17:00']] } })
  refused({ tz: '+02:00', week: { mon: [['09:00', '17:00']] } })
  refused({ tz: 'UTC', week: { mon: [['17:00', '09:00']] } })
  refused({
    tz: 'UTC',
    week: {
      mon: [
        ['09:00', '12:00'],
        ['11:00', '17:00'],
      ],
    },
  })
})

test('a recorded breach stays when a later change gives more time', () => {
  const calendar = new Calendar(calendarDefinition.parse({ tz: 'UTC', week: { wed: [['00:00', '24:00']] } }))
  const start = Date.parse('2026-06-10T09:00:00Z')
  const terms = [
    { at: start, target: HOUR_MS, calendar },
    { at: start + 2 * HOUR_MS, target: 8 * HOUR_MS, calendar },
  ]
  const [reading] = readCycles({ start, terms, pauses: [], solved_at: null, reopened_at: null, mode: 'resume' }, start + 3 * HOUR_MS)
  assert.deepEqual(reading!.breach, { at: start + HOUR_MS, reason: 'due' })
  assert.equal(reading!.due, start + 8 * HOUR_MS)
})
