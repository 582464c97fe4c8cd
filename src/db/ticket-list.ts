import { z } from 'zod'
import { sql } from './sql.ts'
import type { Condition } from './ticket-condition.ts'
import { conditionSql } from './ticket-condition-sql.ts'
import { ticketColumns, ticketRow, visibleTo } from './tickets.ts'
import type { TicketViewer } from './tickets.ts'
import type { CommonQueryMethods } from './pool.ts'

/** A text is looked for in so many of the tickets that everything else leaves: reading all of a million takes seconds, and search has an index. */
export const TEXT_LOOKED_AT = 10_000
/** Where at most so many tickets have the tags that are asked for, these alone are read. */
const TAGGED_MAX = 2_000
/** A ticket without a due time comes after all that have one. */
const NEVER = Number.MAX_SAFE_INTEGER

/** Beyond every instant in microseconds, and two of it are a whole number still. */
const AT_RISK_BEFORE = 2 ** 52

/** In which order open tickets are taken up: at risk of missing the target, with a target, the rest by priority. Read of the open ones, it costs no more than they are. */
const URGENCY = sql.fragment`(case when ticket.sla_due_at is null then case ticket.priority when 'urgent' then 2 when 'high' then 3 when 'medium' then 4 else 5 end
                                   when ticket.sla_risk_score >= 0.5 then 0 else 1 end)`

const COLUMNS = ['number', 'created_at', 'updated_at', 'priority', 'sla_due_at', 'urgency'] as const
export const TICKET_SORTS = [...COLUMNS, ...COLUMNS.map((column) => `-${column}` as const)] as const
export type TicketSort = (typeof TICKET_SORTS)[number]

/** What is sorted by, as a whole number that a cursor carries, and that number as what is sorted by. */
const BY = {
  number: { column: sql.fragment`ticket.number`, key: sql.fragment`ticket.number`, value: (key: number) => sql.fragment`${key}::int8` },
  created_at: instant(sql.fragment`ticket.created_at`),
  updated_at: instant(sql.fragment`ticket.updated_at`),
  priority: {
    column: sql.fragment`ticket.priority`,
    key: sql.fragment`array_position(enum_range(null::ticket_priority), ticket.priority)`,
    value: (key: number) => sql.fragment`(enum_range(null::ticket_priority))[${key}::int4]`,
  },
  sla_due_at: {
    column: sql.fragment`coalesce(ticket.sla_due_at, 'infinity')`,
    key: sql.fragment`coalesce((extract(epoch from ticket.sla_due_at) * 1000000)::int8, ${NEVER}::int8)`,
    value: (key: number) => (key === NEVER ? sql.fragment`timestamptz 'infinity'` : atMicrosecond(key)),
  },
  // Two numbers in one: below zero the rank of what is not due at all, above it the instant of what is, the second rank beyond the first.
  urgency: {
    column: sql.fragment`${URGENCY}, coalesce(ticket.sla_due_at, 'infinity')`,
    key: sql.fragment`case when ticket.sla_due_at is null then -${URGENCY}
                           else ${URGENCY} * ${AT_RISK_BEFORE}::int8 + (extract(epoch from ticket.sla_due_at) * 1000000)::int8 end`,
    value: (key: number) =>
      key < 0
        ? sql.fragment`${-key}::int4, timestamptz 'infinity'`
        : sql.fragment`${Math.floor(key / AT_RISK_BEFORE)}::int4, ${atMicrosecond(key % AT_RISK_BEFORE)}`,
  },
}

function instant(column: ReturnType<typeof atMicrosecond>) {
  return { column, key: sql.fragment`(extract(epoch from ${column}) * 1000000)::int8`, value: atMicrosecond }
}

function atMicrosecond(key: number) {
  return sql.fragment`(timestamptz 'epoch' + ${key}::int8 * interval '1 microsecond')`
}

const listed = ticketRow.extend({ sort_key: z.number() })
export type ListedTicket = z.infer<typeof listed>

export interface TicketQuery {
  condition: Condition | null
  /** Text in the subject or the description, in either case; of the first `TEXT_LOOKED_AT` tickets. */
  q: string | null
  sort: TicketSort
}

/** Tickets that the viewer may see and for which the condition holds, those after a place where it is given. */
export async function listTickets(
  db: CommonQueryMethods,
  viewer: TicketViewer,
  { condition, q, sort }: TicketQuery,
  page: { after: { key: number; number: number } | null; limit: number },
): Promise<readonly ListedTicket[]> {
  const isDown = sort.startsWith('-')
  const { column, key, value } = BY[sort.replace('-', '') as keyof typeof BY]
  const beyond = isDown ? sql.fragment`<` : sql.fragment`>`
  const direction = isDown ? sql.fragment`desc` : sql.fragment`asc`
  const sorted =
    column === BY.urgency.column
      ? sql.fragment`${URGENCY} ${direction}, coalesce(ticket.sla_due_at, 'infinity') ${direction}`
      : sql.fragment`${column} ${direction}`
  const after = page.after ? sql.fragment`(${column}, ticket.number) ${beyond} (${value(page.after.key)}, ${page.after.number}::int8)` : sql.fragment`true`
  const tagged = condition === null ? null : await taggedNumbers(db, tagsOf(condition))
  const order = sql.fragment`order by ${sorted}, ticket.number ${direction}`
  const asked = sql.fragment`
    tickets ticket
     where organization_id = bound_organization() and ${visibleTo(viewer)} and ${after}
       and ${tagged === null ? sql.fragment`true` : sql.fragment`ticket.number = any(${sql.array(tagged, 'int4')})`}
       and ${condition === null ? sql.fragment`true` : conditionSql(condition, new Date())}`
  if (q === null) return db.any(sql.type(listed)`select ${ticketColumns}, ${key} as sort_key from ${asked} ${order} limit ${page.limit}`)
  return db.any(sql.type(listed)`
    select ${ticketColumns}, ${key} as sort_key
      from (select ticket.* from ${asked} ${order} limit ${TEXT_LOOKED_AT}) ticket
     where strpos(lower(subject), lower(${q})) > 0 or strpos(lower(description), lower(${q})) > 0
     ${order} limit ${page.limit}`)
}

/** Tags that a ticket must have for the condition to hold. */
function tagsOf(condition: Condition): string[] {
  if ('all' in condition) return condition.all.flatMap(tagsOf)
  return 'field' in condition && condition.field === 'tags' && (condition.op === 'has' || condition.op === 'has_all') ? [condition.value].flat() : []
}

/** The numbers of the tickets with all of these tags; null where they are many, and in an older version of the database. */
async function taggedNumbers(db: CommonQueryMethods, tags: readonly string[]): Promise<readonly number[] | null> {
  if (tags.length === 0) return null
  const isThere = await db.oneFirst(sql.type(z.object({ there: z.boolean() }))`select to_regprocedure('tagged_numbers(text[],integer)') is not null as there`)
  if (!isThere) return null
  return db.oneFirst(sql.type(z.object({ numbers: z.array(z.number()).nullable() }))`
    select tagged_numbers(${sql.array(tags, 'text')}, ${TAGGED_MAX}) as numbers`)
}

/** The ids of the newest tickets for which the condition holds. */
export async function newestTickets(db: CommonQueryMethods, viewer: TicketViewer, condition: Condition, limit: number): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ id: z.string() }))`
    select ticket.id from tickets ticket
     where organization_id = bound_organization() and ${visibleTo(viewer)} and ${conditionSql(condition, new Date())}
     order by number desc limit ${limit}`)
}

/** The ids of the bound organisation's newest tickets. */
export async function newestIds(db: CommonQueryMethods, limit: number): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ id: z.string() }))`
    select id from tickets where organization_id = bound_organization() order by number desc limit ${limit}`)
}
