import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Calendar, calendarDefinition } from '#sla/calendar.ts'
import { dueAt, elapsedMs } from '#sla/clock.ts'
import { firstResponse, nextResponses } from '#sla/response.ts'
import type { Utterance } from '#sla/response.ts'
import { simulate, simulation } from '#sla/simulate.ts'

const CASES = new URL('../../../shared/sla/cases.json', import.meta.url)
const MINUTE_MS = 60_000

interface WorkedCase {
  id: string
  kind: 'due' | 'rule' | 'elapsed'
  note: string
  calendar: string
  start?: string
  end?: string
  target_min?: number
  pauses?: [string, string | null][]
  due_utc?: string | null
  due_after?: string
  due?: string
  remaining_s?: number
  remaining_s_when_paused?: number
  breached_at?: string
  cycles?: number
  elapsed_s?: number
  metric?: string
  result?: string
  events?: [Utterance['kind'], string][]
  changes?: { at: string; target_min: number }[]
  mode?: string
  solved_at?: string
  reopened_at?: string
  warn_pct?: Record<string, string>
}

const worked = existsSync(CASES)
  ? (JSON.parse(readFileSync(CASES, 'utf8')) as { calendars: Record<string, unknown>; cases: WorkedCase[] })
  : { calendars: {}, cases: [] }

test('the worked examples are there', { skip: worked.cases.length > 0 ? false : 'no cases.json beside the repository' }, () =>
  assert.ok(worked.cases.length > 0),
)

for (const example of worked.cases) {
  test(`${example.id}: ${example.note}`, () => (example.metric ? checkResponse(example) : checkSimulation(example)))
}

function checkSimulation(example: WorkedCase): void {
  const answer = simulate(
    simulation.parse({
      calendar: worked.calendars[example.calendar],
      start: example.start,
      target_minutes: example.target_min,
      end: example.end,
      pauses: (example.pauses ?? []).map(([from, to]) => ({ from, to })),
      changes: (example.changes ?? []).map(({ at, target_min }) => ({ at, target_minutes: target_min })),
      mode: example.mode,
      solved_at: example.solved_at,
      reopened_at: example.reopened_at,
      warn_percent: Object.keys(example.warn_pct ?? {}).map(Number),
    }),
  )
  const due = example.due_utc ?? example.due_after ?? example.due
  if (due !== undefined) assert.equal(millis(answer.due_at), millis(due), 'due_at')
  if (example.due_utc === null) assert.equal(answer.due_at, null)
  const remaining = example.remaining_s ?? example.remaining_s_when_paused
  if (remaining !== undefined) assert.equal(answer.remaining_seconds, remaining)
  if (example.breached_at !== undefined) assert.equal(millis(answer.breached_at), millis(example.breached_at), 'breached_at')
  if (example.cycles !== undefined) assert.equal(answer.cycles, example.cycles)
  if (example.elapsed_s !== undefined) assert.equal(answer.elapsed_seconds, example.elapsed_s)
  for (const [percent, at] of Object.entries(example.warn_pct ?? {})) {
    assert.equal(millis(answer.warnings.find((warning) => warning.percent === Number(percent))?.at), millis(at))
  }
}

function checkResponse(example: WorkedCase): void {
  const calendar = new Calendar(calendarDefinition.parse(worked.calendars[example.calendar]))
  const said = example.events!.map(([kind, at]) => ({ kind, at: millis(at)! }))
  const owed = example.metric === 'first_response' ? firstResponse(millis(example.start)!, said) : nextResponses(said).at(-1)
  const counting = { calendar, start: owed!.start, pauses: [] }
  const due = dueAt(counting, example.target_min! * MINUTE_MS)
  assert.equal(due, millis(example.due))
  assert.equal(elapsedMs(counting, owed!.fulfilled_at!) / 1_000, example.elapsed_s)
  assert.equal(owed!.fulfilled_at! <= due! ? 'met' : 'missed', example.result)
}

function millis(text: string | null | undefined): number | null {
  return text == null ? null : Temporal.Instant.from(text).epochMilliseconds
}
