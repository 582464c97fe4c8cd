import { z } from 'zod'
import { PRIORITIES } from '#db/job-inputs.ts'
import { conditionSchema } from '#db/ticket-condition.ts'
import type { Condition } from '#db/ticket-condition.ts'
import { TEXT_LOOKED_AT, TICKET_SORTS } from '#db/ticket-list.ts'
import { TICKET_STATES } from '#machines/ticket.ts'
import { cursorOf, limitQuery } from './paging.ts'
import { instant } from './shapes.ts'

const SEARCH_CHARS = 200
const FILTER_CHARS = 8_000
const VALUES_MAX = 50

/** One value or several: `a,b`, or the parameter repeated. */
const several = <Value extends z.ZodType<string, string>>(value: Value) =>
  z
    .union([z.string(), z.array(z.string()).max(VALUES_MAX)])
    .transform((given) => [given].flat().flatMap((text) => text.split(',')))
    .pipe(z.array(value).max(VALUES_MAX))
    .optional()

const person = z.union([z.guid().toLowerCase(), z.literal('me')])
const tag = z.string().min(1).max(50)

/** The query of a list of tickets. */
export const ticketQuery = z.strictObject({
  status: several(z.enum(TICKET_STATES)),
  priority: several(z.enum(PRIORITIES)),
  requester_id: several(person),
  assigned_to: several(z.union([person, z.literal('none')])),
  service_id: several(z.union([z.guid().toLowerCase(), z.literal('none')])),
  tag: z
    .union([tag, z.array(tag).max(VALUES_MAX)])
    .describe('Tags that a ticket has, all of them')
    .optional(),
  created_from: instant.optional(),
  created_before: instant.optional(),
  updated_from: instant.optional(),
  updated_before: instant.optional(),
  q: z
    .string()
    .min(1)
    .max(SEARCH_CHARS)
    .describe(`Text in the subject or the description of the first ${TEXT_LOOKED_AT} tickets that everything else leaves; /search finds words in all`)
    .optional(),
  filter: z
    .string()
    .max(FILTER_CHARS)
    .describe('A TicketCondition as JSON')
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text)
      } catch {
        context.addIssue({ code: 'custom', message: 'is no JSON' })
        return z.NEVER
      }
    })
    .pipe(conditionSchema)
    .optional(),
  view: z.guid().describe('A saved view: its condition, and its order where none is asked for').optional(),
  sort: z
    .enum(TICKET_SORTS)
    .describe('With - the greatest first. By urgency: what may miss its target, then what has one, each by due time, then the rest by priority')
    .optional(),
  limit: limitQuery,
  cursor: cursorOf(z.tuple([z.enum(TICKET_SORTS), z.int(), z.int()])),
})
type Query = z.output<typeof ticketQuery>

/** What the parameters of a list ask of a ticket, in the grammar that views and rules share; null where they ask nothing. */
export function conditionOf(query: Query, userId: string): Condition | null {
  const mine = (values: readonly string[]) => values.map((value) => (value === 'me' ? userId : value))
  const orNone = (values: readonly string[]) => mine(values).map((value) => (value === 'none' ? null : value))
  const conditions: Condition[] = [
    ...(query.status ? [{ field: 'status', op: 'in', value: query.status } as const] : []),
    ...(query.priority ? [{ field: 'priority', op: 'in', value: query.priority } as const] : []),
    ...(query.requester_id ? [{ field: 'requester_id', op: 'in', value: mine(query.requester_id) } as const] : []),
    ...(query.assigned_to ? [{ field: 'assigned_to', op: 'in', value: orNone(query.assigned_to) } as const] : []),
    ...(query.service_id ? [{ field: 'service_id', op: 'in', value: orNone(query.service_id) } as const] : []),
    ...(query.tag ? [{ field: 'tags', op: 'has_all', value: [query.tag].flat() } as const] : []),
    ...(query.created_from ? [{ field: 'created_at', op: 'from', value: query.created_from } as const] : []),
    ...(query.created_before ? [{ field: 'created_at', op: 'before', value: query.created_before } as const] : []),
    ...(query.updated_from ? [{ field: 'updated_at', op: 'from', value: query.updated_from } as const] : []),
    ...(query.updated_before ? [{ field: 'updated_at', op: 'before', value: query.updated_before } as const] : []),
    ...(query.filter ? [query.filter] : []),
  ]
  return conditions.length === 0 ? null : { all: conditions }
}
