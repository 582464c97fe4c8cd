import { z } from 'zod'
import { dueAt } from './clock.ts'
import type { Reading } from './cycles.ts'
import { CLOCKS } from './terms.ts'
import type { Clock } from './terms.ts'

const MINUTE_MS = 60_000
const STEPS_MAX = 20
const MINUTES_MAX = 5 * 366 * 24 * 60

const percent = z.number().positive().max(100)
const minutes = z.number().positive().max(MINUTES_MAX)
const clock = z.enum(CLOCKS)

/** When: at a share of the target, or so many minutes of business time before or after it is used up. */
const instants = {
  percent: percent.optional(),
  minutes_before: minutes.optional(),
  minutes_after: minutes.optional(),
}
const namesOneInstant = (given: { percent?: number | undefined; minutes_before?: number | undefined; minutes_after?: number | undefined }): boolean =>
  [given.percent, given.minutes_before, given.minutes_after].filter((value) => value !== undefined).length === 1

const warning = z
  .strictObject({ clock: clock.optional(), percent: percent.optional(), minutes_before: minutes.optional() })
  .refine(namesOneInstant, 'must name percent or minutes_before')
const escalation = z
  .strictObject({
    clock: clock.default('resolution'),
    ...instants,
    action: z.enum(['raise_priority', 'notify']),
    to: z.enum(['assignee', 'managers']).optional(),
  })
  .refine(namesOneInstant, 'must name one of percent, minutes_before and minutes_after')
  .refine(({ action, to }) => (action === 'notify') === (to !== undefined), 'notify names to whom (to); nothing else does')

/** The warnings of a policy, of every clock or of the one that is named. */
export const warnings = z.array(warning).max(STEPS_MAX)
/** What a policy does when a clock gets so far. */
export const escalations = z.array(escalation).max(STEPS_MAX)

/** Something that is done once a cycle, when its clock gets so far. */
export interface Step {
  /** Tells it from the other steps of its clock: `warn percent 75`. */
  key: string
  action: 'warn' | 'raise_priority' | 'notify'
  to?: 'assignee' | 'managers' | undefined
  percent?: number | undefined
  minutes_before?: number | undefined
  minutes_after?: number | undefined
}

/** The steps of one clock by what its policy says; data that is no such thing has none. */
export function stepsOf(policy: { warnings: unknown; escalations: unknown }, clock: Clock): Step[] {
  const warned = warnings.catch([]).parse(policy.warnings)
  const escalated = escalations.catch([]).parse(policy.escalations)
  return [
    ...warned.filter((one) => one.clock === undefined || one.clock === clock).map((one) => withKey({ ...one, action: 'warn' })),
    ...escalated.filter((one) => one.clock === clock).map((one) => withKey(one)),
  ]
}

/** The earliest instant at which the clock gets so far, as things stand; null where it does not, or not while it stands still. */
export function stepAt({ counting, target }: Reading, step: Step): number | null {
  if (target === null) return null
  const after = step.percent !== undefined ? (target * step.percent) / 100 : target + ((step.minutes_after ?? 0) - (step.minutes_before ?? 0)) * MINUTE_MS
  const at = after > 0 ? dueAt(counting, after) : null
  // A check is planned in whole milliseconds: a part of one must not make it come too early.
  return at === null ? null : Math.ceil(at)
}

function withKey({ action, to, percent, minutes_before, minutes_after }: Omit<Step, 'key'>): Step {
  const when =
    percent !== undefined ? `percent ${percent}` : minutes_before !== undefined ? `minutes_before ${minutes_before}` : `minutes_after ${minutes_after}`
  return { key: [action, to, when].filter(Boolean).join(' '), action, to, percent, minutes_before, minutes_after }
}
