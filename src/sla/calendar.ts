import { z } from 'zod'

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const DAY_MS = 86_400_000

const localTime = z.string().regex(/^(([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?|24:00(:00)?)$/, 'must be a local time from 00:00 to 24:00')
const localDate = z.iso.date()

/** Intervals of one local day, half-open, `24:00` allowed as an end. */
const dayIntervals = z
  .array(z.tuple([localTime, localTime]))
  .max(48)
  .superRefine((intervals, context) => {
    const sorted = intervals.map(([open, close]) => [secondsOf(open), secondsOf(close)] as const).toSorted((a, b) => a[0] - b[0])
    for (const [index, [open, close]] of sorted.entries()) {
      if (close <= open) context.addIssue({ code: 'custom', message: 'an interval ends before it begins' })
      if (index > 0 && open < sorted[index - 1]![1]) context.addIssue({ code: 'custom', message: 'intervals of one day overlap' })
    }
  })

const timeZone = z.string().max(100).refine(isIanaZone, 'is not a known IANA time zone')

/** A calendar as it is written down: a zone, a week, closed dates, and dates whose intervals replace the weekday's. */
export const calendarDefinition = z
  .strictObject({
    tz: timeZone,
    week: z.partialRecord(z.enum(DAYS), dayIntervals).default({}),
    holidays: z.array(localDate).max(2_000).default([]),
    special: z.record(localDate, dayIntervals).default({}),
  })
  .refine(
    ({ week, special }) => [...Object.values(week), ...Object.values(special)].some((intervals) => intervals.length > 0),
    'the calendar has no open interval',
  )
export type CalendarDefinition = z.infer<typeof calendarDefinition>

/** Open all the time: what counts where a policy names no calendar. */
export const ROUND_THE_CLOCK: CalendarDefinition = {
  tz: 'UTC',
  week: Object.fromEntries(DAYS.map((day) => [day, [['00:00', '24:00']]])) as CalendarDefinition['week'],
  holidays: [],
  special: {},
}

/** A stretch of time `[from, to)` in milliseconds since 1970. */
export interface Span {
  from: number
  to: number
}

/** A local date, with the one after it once that was asked for. */
interface Day {
  date: Temporal.PlainDate
  start: number
  spans: readonly Span[]
  next: Day | null
}

/** No clock looks further ahead than this: a calendar that opens too rarely is told so. */
export const HORIZON_DAYS = 40 * 366

/** The open set of a calendar. Lengths are real lengths, so daylight-saving changes need no rule of their own. */
export class Calendar {
  readonly #definition: CalendarDefinition
  readonly #holidays: ReadonlySet<string>
  readonly #days = new Map<string, Day>()
  /** By the number of a day of UTC since 1970: where to begin for an instant of it. */
  readonly #firstDays = new Map<number, Day>()

  constructor(definition: CalendarDefinition) {
    this.#definition = definition
    this.#holidays = new Set(definition.holidays)
  }

  /**
   * The open spans of `[from, to)`, in order and without overlap. Lazy: an endless `to` is fine, up to the horizon. Spans
   * that touch stay apart, or a calendar that never closes would have to be walked to the horizon for its first one.
   */
  *open(from: number, to: number): Generator<Span> {
    let end = from
    for (const span of this.#spans(from, Math.min(to, from + HORIZON_DAYS * DAY_MS))) {
      // Where a boundary falls into a skipped hour, two intervals of a day can overlap as instants.
      const rest = { from: Math.max(span.from, end), to: span.to }
      if (rest.from < rest.to) yield rest
      end = Math.max(end, span.to)
    }
  }

  *#spans(from: number, to: number): Generator<Span> {
    if (to <= from) return
    // A zone that leaves out a whole date has its hours fall into the next one: a span is told once no later date can come before it.
    let waiting: readonly Span[] = []
    let day = this.#dayBefore(from)
    for (; day.start <= to; day = this.#dayAfter(day)) {
      const { start } = day
      yield* clip(waiting, from, to, start)
      const late = waiting.filter((span) => span.from >= start)
      waiting = late.length === 0 ? day.spans : [...late, ...day.spans].toSorted((one, other) => one.from - other.from)
    }
    yield* clip(waiting, from, to)
  }

  /** A local date that has begun before an instant, and the one before it. Dates are kept: every ticket asks for the same, and Temporal takes its time. */
  #dayBefore(instant: number): Day {
    const utcDay = Math.floor(instant / DAY_MS)
    const known = this.#firstDays.get(utcDay)
    if (known) return known
    const date = Temporal.Instant.fromEpochMilliseconds(utcDay * DAY_MS)
      .toZonedDateTimeISO(this.#definition.tz)
      .toPlainDate()
    const day = this.#day(date.subtract({ days: 1 }))
    this.#firstDays.set(utcDay, day)
    return day
  }

  #dayAfter(day: Day): Day {
    return (day.next ??= this.#day(day.date.add({ days: 1 })))
  }

  /** Instants of one local date. */
  #day(date: Temporal.PlainDate): Day {
    const key = date.toString()
    const known = this.#days.get(key)
    if (known) return known
    const { special, week } = this.#definition
    const intervals = special[key] ?? (this.#holidays.has(key) ? [] : (week[DAYS[date.dayOfWeek - 1]!] ?? []))
    const spans = intervals
      .map(([open, close]) => ({ from: this.#instant(date, open), to: this.#instant(date, close) }))
      .filter((span) => span.from < span.to)
      .toSorted((a, b) => a.from - b.from)
    const day: Day = { date, start: this.#instant(date, '00:00'), spans, next: null }
    this.#days.set(key, day)
    return day
  }

  /** A boundary inside a skipped or repeated hour is read as Temporal's `compatible`. */
  #instant(date: Temporal.PlainDate, time: string): number {
    const seconds = secondsOf(time)
    const [day, rest] = seconds === 86_400 ? [date.add({ days: 1 }), 0] : [date, seconds]
    const wall = day.toPlainDateTime().add({ seconds: rest })
    return wall.toZonedDateTime(this.#definition.tz, { disambiguation: 'compatible' }).epochMilliseconds
  }
}

/** What of the spans lies in `[from, to)`, of those that begin before an instant. */
function* clip(spans: readonly Span[], from: number, to: number, before = Number.POSITIVE_INFINITY): Generator<Span> {
  for (const span of spans) {
    if (span.from >= before || span.to <= from || span.from >= to) continue
    yield { from: Math.max(span.from, from), to: Math.min(span.to, to) }
  }
}

function secondsOf(time: string): number {
  const [hours, minutes, seconds = 0] = time.split(':').map(Number) as [number, number, number?]
  return hours * 3_600 + minutes * 60 + seconds
}

/** `+02:00` is an offset, not a zone: it knows no daylight-saving time. */
function isIanaZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name }))
  } catch {
    return false
  }
}
