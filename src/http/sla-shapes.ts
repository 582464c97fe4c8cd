import { z } from 'zod'
import { PRIORITIES } from '#db/job-inputs.ts'
import { calendarRow, policyRow } from '#db/sla-policies.ts'
import { calendarDefinition } from '#sla/calendar.ts'
import type { CalendarDefinition } from '#sla/calendar.ts'
import { refusal } from './refusal.ts'

const NAME_CHARS = 200
/** Five years; what takes longer is no service level. */
const TARGET_MINUTES_MAX = 5 * 366 * 24 * 60

const name = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
const minutes = z.record(z.string(), z.unknown()).describe(`Minutes by priority (${PRIORITIES.join(', ')}), above 0; null for none`)

export const calendarSchema = calendarRow.meta({ id: 'SlaCalendar' })
export const newCalendar = z.strictObject({ name, definition: z.record(z.string(), z.unknown()).describe('{ tz, week, holidays, special }') })

export const policySchema = policyRow.meta({ id: 'SlaPolicy' })
export const newPolicy = z.strictObject({
  name,
  calendar_id: z.guid().nullable().describe('Null: open all the time').default(null),
  is_default: z.boolean().describe('Takes the place of the default before').default(false),
  first_response_minutes: minutes.default({}),
  resolution_minutes: minutes,
})
export const policyEdit = z
  .strictObject({ name, calendar_id: z.guid().nullable(), is_default: z.boolean(), first_response_minutes: minutes, resolution_minutes: minutes })
  .partial()

const targets = z.partialRecord(z.enum(PRIORITIES), z.number().positive('must be above 0').max(TARGET_MINUTES_MAX).nullable())
type Targets = z.infer<typeof targets>

/** A calendar that every clock can count by. @throws a refusal with 422 that names what is wrong */
export function checkDefinition(definition: unknown): CalendarDefinition {
  return checked(calendarDefinition, definition, 'definition')
}

/** Targets that a clock can have. @throws a refusal with 422 that names what is wrong */
export function checkTargets(given: unknown, path: string): Targets {
  return checked(targets, given, path)
}

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, at: string): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues.map(({ path, message }) => ({ location: 'body' as const, path: [at, ...path.map(String)].join('.'), message }))
  throw refusal(422, `No clock can count by this: ${errors[0]!.path} ${errors[0]!.message}.`, { errors })
}
