import { Calendar, calendarDefinition, ROUND_THE_CLOCK } from './calendar.ts'

const MAX_KEPT = 200
const kept = new Map<string, Calendar>()
/** Of definitions as they were read: all tickets of a page share them, and writing one down takes longer than a ticket. */
const read = new WeakMap<object, Calendar>()

/**
 * The calendar of a stored definition, one object per content, so that its days are worked out once. Null (a policy
 * without a calendar) is open all the time.
 *
 * @throws z.ZodError where the definition breaks the rules that are checked when one is written
 */
export function calendarOf(definition: unknown): Calendar {
  if (typeof definition !== 'object' || definition === null) return keptCalendar(definition)
  const known = read.get(definition)
  if (known) return known
  const calendar = keptCalendar(definition)
  read.set(definition, calendar)
  return calendar
}

function keptCalendar(definition: unknown): Calendar {
  const key = JSON.stringify(definition ?? null)
  const known = kept.get(key)
  if (known) return known
  const calendar = new Calendar(definition == null ? ROUND_THE_CLOCK : calendarDefinition.parse(definition))
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value!)
  kept.set(key, calendar)
  return calendar
}
