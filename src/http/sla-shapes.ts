import { z } from 'zod'
import { PRIORITIES } from '#db/job-inputs.ts'
import { calendarRow, PAUSING_STATES, policyRow } from '#db/sla-policies.ts'
import { calendarDefinition } from '#sla/calendar.ts'
import type { CalendarDefinition } from '#sla/calendar.ts'
import { escalations, warnings } from '#sla/steps.ts'
import { refusal } from './refusal.ts'

const NAME_CHARS = 200
/** Five years; what takes longer is no service level. */
const TARGET_MINUTES_MAX = 5 * 366 * 24 * 60

const name = z.string().max(NAME_CHARS).regex(/\S/, 'must say something')
const minutes = z.record(z.string(), z.unknown()).describe(`Minutes by priority (${PRIORITIES.join(', ')}), above 0; null for none`)

export const calendarSchema = calendarRow.meta({ id: 'SlaCalendar' })
export const newCalendar = z.strictObject({ name, definition: z.record(z.string(), z.unknown()).describe('{ tz, week, holidays, special }') })

const pauseStates = z.array(z.enum(PAUSING_STATES)).max(PAUSING_STATES.length).describe('States of a ticket in which its clocks stand still')
const reopenMode = z.enum(['resume', 'new_cycle']).describe('What a reopening does: the solved time is a pause, or a second cycle starts')
const warningList = z.array(z.unknown()).describe('[{ "clock"?, "percent" | "minutes_before" }], in business time; without a clock: of each')
const escalationList = z
  .array(z.unknown())
  .describe('[{ "clock", "percent" | "minutes_before" | "minutes_after", "action": "raise_priority" | "notify", "to"?: "assignee" | "managers" }]')

export const policySchema = policyRow.meta({ id: 'SlaPolicy' })
export const newPolicy = z.strictObject({
  name,
  calendar_id: z.guid().nullable().describe('Null: open all the time').default(null),
  is_default: z.boolean().describe('Takes the place of the default before').default(false),
  first_response_minutes: minutes.default({}),
  next_response_minutes: minutes.default({}),
  resolution_minutes: minutes,
  pause_states: pauseStates.default(['waiting_customer']),
  reopen_mode: reopenMode.default('resume'),
  warnings: warningList.default([{ percent: 50 }, { percent: 75 }]),
  escalations: escalationList.default([]),
})
export const policyEdit = z
  .strictObject({
    name,
    calendar_id: z.guid().nullable(),
    is_default: z.boolean(),
    first_response_minutes: minutes,
    next_response_minutes: minutes,
    resolution_minutes: minutes,
    pause_states: pauseStates,
    reopen_mode: reopenMode,
    warnings: warningList,
    escalations: escalationList,
  })
  .partial()

const targets = z.partialRecord(z.enum(PRIORITIES), z.number().positive('must be above 0').max(TARGET_MINUTES_MAX).nullable())
type Targets = z.infer<typeof targets>
const RULES = ['first_response_minutes', 'next_response_minutes', 'resolution_minutes', 'warnings', 'escalations'] as const

/** A calendar that every clock can count by. @throws a refusal with 422 that names what is wrong */
export function checkDefinition(definition: unknown): CalendarDefinition {
  return checked(calendarDefinition, definition, 'definition')
}

/** What a policy says, in a form that clocks can follow. @throws a refusal with 422 that names what is wrong */
export function checkRules(given: Record<(typeof RULES)[number], unknown>): {
  first_response_minutes: Targets
  next_response_minutes: Targets
  resolution_minutes: Targets
  warnings: unknown
  escalations: unknown
} {
  return {
    first_response_minutes: checked(targets, given.first_response_minutes, 'first_response_minutes'),
    next_response_minutes: checked(targets, given.next_response_minutes, 'next_response_minutes'),
    resolution_minutes: checked(targets, given.resolution_minutes, 'resolution_minutes'),
    warnings: checked(warnings, given.warnings, 'warnings'),
    escalations: checked(escalations, given.escalations, 'escalations'),
  }
}

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, at: string): z.output<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues.map(({ path, message }) => ({ location: 'body' as const, path: [at, ...path.map(String)].join('.'), message }))
  throw refusal(422, `No clock can count by this: ${errors[0]!.path} ${errors[0]!.message}.`, { errors })
}
