import { z } from 'zod'
import { TICKET_STATES } from '#machines/ticket.ts'
import { PRIORITIES } from './job-inputs.ts'
import type { TicketRow } from './tickets.ts'

/** A condition that is larger than this is a program. */
const PARTS_MAX = 50
const DEPTH_MAX = 6
const LIST_MAX = 100
const TEXT_CHARS = 200
const TAG_CHARS = 50
const NUMBER_MAX = 2_147_483_647
/** Ten years, either way. */
const MINUTES_MAX = 5_256_000

const storable = (text: string): boolean => text.isWellFormed() && !text.includes('\0')
const words = z.string().min(1).max(TEXT_CHARS).refine(storable, 'holds text that cannot be stored')
const tag = z.string().min(1).max(TAG_CHARS).refine(storable, 'holds text that cannot be stored')
const id = z.guid().toLowerCase()
const instant = z.iso.datetime({ offset: true })
const minutes = z.int().min(-MINUTES_MAX).max(MINUTES_MAX)
const list = <Value extends z.ZodType>(value: Value) => z.array(value).min(1).max(LIST_MAX)

/** A field whose value is one of some. */
const oneOf = <Field extends string, Value extends z.ZodType>(field: Field, value: Value) =>
  z.discriminatedUnion('op', [
    z.strictObject({ field: z.literal(field), op: z.enum(['eq', 'ne']), value }),
    z.strictObject({ field: z.literal(field), op: z.enum(['in', 'not_in']), value: list(value) }),
  ])
const text = <Field extends string>(field: Field) =>
  z.strictObject({ field: z.literal(field), op: z.enum(['contains', 'not_contains', 'starts_with']), value: words.describe('A to Z in either case') })
const time = <Field extends string>(field: Field) =>
  z.discriminatedUnion('op', [
    z.strictObject({ field: z.literal(field), op: z.enum(['from', 'before']), value: instant }),
    z.strictObject({
      field: z.literal(field),
      op: z.enum(['older_than_minutes', 'newer_than_minutes']),
      value: minutes.describe('Before now; below 0 after it'),
    }),
    z.strictObject({ field: z.literal(field), op: z.literal('empty'), value: z.boolean() }),
  ])

const leaf = z.discriminatedUnion('field', [
  oneOf('status', z.enum(TICKET_STATES)),
  oneOf('priority', z.enum(PRIORITIES)),
  oneOf('requester_id', id),
  oneOf('assigned_to', id.nullable()),
  oneOf('service_id', id.nullable()),
  z.discriminatedUnion('op', [
    z.strictObject({ field: z.literal('tags'), op: z.enum(['has', 'has_not']), value: tag }),
    z.strictObject({ field: z.literal('tags'), op: z.enum(['has_any', 'has_all']), value: list(tag) }),
  ]),
  text('subject'),
  text('description'),
  z.strictObject({ field: z.literal('number'), op: z.enum(['eq', 'lt', 'lte', 'gt', 'gte']), value: z.int().min(0).max(NUMBER_MAX) }),
  time('created_at'),
  time('updated_at'),
  time('accepted_at'),
  time('resolved_at'),
  time('closed_at'),
  time('sla_due_at'),
])

/** A test of one field. */
export type Test = z.infer<typeof leaf>
/** A condition on a ticket. What has no value is equal to nothing, before nothing and after nothing. */
export type Condition = Test | { all: Condition[] } | { any: Condition[] } | { not: Condition }

const node: z.ZodType<Condition> = z
  .lazy(() => z.union([leaf, z.strictObject({ all: list(node) }), z.strictObject({ any: list(node) }), z.strictObject({ not: node })], { error: complaint }))
  .meta({ id: 'TicketCondition', description: 'A test of a field, or `all`, `any` or `not` of conditions' })

/** A condition that somebody wrote: the one grammar of lists, views, bulk changes, rules and webhooks. */
export const conditionSchema = node.superRefine((condition, context) => {
  const { parts, depth } = sizeOf(condition)
  if (parts > PARTS_MAX) context.addIssue({ code: 'custom', message: `must have at most ${PARTS_MAX} parts` })
  if (depth > DEPTH_MAX) context.addIssue({ code: 'custom', message: `must be nested at most ${DEPTH_MAX} deep` })
})

function sizeOf(condition: Condition): { parts: number; depth: number } {
  const inner = partsOf(condition).map(sizeOf)
  return { parts: 1 + inner.reduce((sum, { parts }) => sum + parts, 0), depth: 1 + Math.max(0, ...inner.map(({ depth }) => depth)) }
}

function partsOf(condition: Condition): Condition[] {
  if ('all' in condition) return condition.all
  if ('any' in condition) return condition.any
  return 'not' in condition ? [condition.not] : []
}

/** Of what each form of a condition complains about, the complaint of the form that came furthest. */
function complaint(issue: { errors?: { path: PropertyKey[]; message: string }[][] }): string {
  const said = (issue.errors ?? []).map((each) => each[0]).filter((each) => each !== undefined)
  const furthest = said.toSorted((one, other) => other.path.length - one.path.length)[0]
  return furthest && furthest.path.length > 0
    ? `${furthest.path.join('.')}: ${furthest.message}`
    : 'must be a test of a field, or all, any or not of conditions'
}

/** What a condition can ask of a ticket. */
export type TicketFacts = Pick<TicketRow, Test['field']>
