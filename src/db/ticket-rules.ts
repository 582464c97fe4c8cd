import { z } from 'zod'
import { PRIORITIES } from './job-inputs.ts'
import { partsOf } from './schema-parts.ts'
import { prepared, sql } from './sql.ts'
import { conditionSchema } from './ticket-condition.ts'
import type { CommonQueryMethods } from './pool.ts'

const ACTIONS_MAX = 10
const TAGS_MAX = 20
const TAG_CHARS = 50
const SUBJECT_CHARS = 200
const CONTENT_CHARS = 10_000

/** What can happen to a ticket that a rule may wait for, whoever does it: people, jobs or clocks. */
export const RULE_EVENTS = ['created', 'updated', 'commented', 'sla_warned', 'sla_breached', 'sla_escalated'] as const
export type RuleEvent = (typeof RULE_EVENTS)[number]

const tags = z.array(z.string().min(1).max(TAG_CHARS)).min(1).max(TAGS_MAX)

/** What a rule does to a ticket. */
export const ruleAction = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('set_priority'), priority: z.enum(PRIORITIES) }),
    z.strictObject({ type: z.literal('set_service'), service_id: z.guid().nullable() }),
    z.strictObject({ type: z.literal('add_tags'), tags }),
    z.strictObject({ type: z.literal('remove_tags'), tags }),
    z.strictObject({ type: z.literal('assign'), assignee_id: z.guid().nullable() }),
    z.strictObject({ type: z.literal('assign_group'), group_id: z.guid() }),
    z.strictObject({
      type: z.literal('notify'),
      to: z.union([z.enum(['requester', 'assignee']), z.guid()]).describe('Or the id of a user'),
      subject: z.string().min(1).max(SUBJECT_CHARS).describe('With the placeholders of canned responses'),
      content: z.string().min(1).max(CONTENT_CHARS),
    }),
  ])
  .meta({ id: 'RuleAction' })
export type RuleAction = z.infer<typeof ruleAction>
export const ruleActions = z.array(ruleAction).min(1).max(ACTIONS_MAX)

export const ruleRow = z.object({
  id: z.string(),
  name: z.string(),
  is_active: z.boolean(),
  position: z.number(),
  events: z.array(z.enum(RULE_EVENTS)),
  condition: conditionSchema,
  actions: ruleActions,
  created_at: z.date(),
  updated_at: z.date(),
})
export type RuleRow = z.infer<typeof ruleRow>
export type RuleFields = Omit<RuleRow, 'id' | 'created_at' | 'updated_at'>

const ruleColumns = sql.fragment`id, name, is_active, position, events, condition, actions, created_at, updated_at`

export async function insertRule(db: CommonQueryMethods, rule: RuleFields): Promise<RuleRow> {
  return db.one(sql.type(ruleRow)`
    insert into ticket_rules (organization_id, name, is_active, position, events, condition, actions)
    values (bound_organization(), ${rule.name}, ${rule.is_active}, ${rule.position}, ${sql.array(rule.events, 'text')},
            ${JSON.stringify(rule.condition)}::jsonb, ${JSON.stringify(rule.actions)}::jsonb)
    returning ${ruleColumns}`)
}

const placedRule = ruleRow.extend({ at_us: z.number() })

/** After which rule a page begins. */
export interface RulePlace {
  position: number
  at_us: number
  id: string
}

/** Rules in the order in which they run (those of one position as they were made), after a place where it is given. */
export async function listRules(db: CommonQueryMethods, page: { after: RulePlace | null; limit: number }): Promise<readonly z.infer<typeof placedRule>[]> {
  const { after } = page
  return db.any(sql.type(placedRule)`
    select ${ruleColumns}, (extract(epoch from created_at) * 1000000)::int8 as at_us from ticket_rules
     where organization_id = bound_organization()
       and (${after?.position ?? null}::int8 is null
            or (position, (extract(epoch from created_at) * 1000000)::int8, id) > (${after?.position ?? null}::int8, ${after?.at_us ?? null}::int8, ${after?.id ?? null}::uuid))
     order by position, created_at, id limit ${page.limit}`)
}

export async function findRule(db: CommonQueryMethods, id: string): Promise<RuleRow | null> {
  return db.maybeOne(sql.type(ruleRow)`select ${ruleColumns} from ticket_rules where organization_id = bound_organization() and id = ${id}`)
}

export async function updateRule(db: CommonQueryMethods, id: string, rule: RuleFields): Promise<RuleRow> {
  return db.one(sql.type(ruleRow)`
    update ticket_rules
       set name = ${rule.name}, is_active = ${rule.is_active}, position = ${rule.position}, events = ${sql.array(rule.events, 'text')},
           condition = ${JSON.stringify(rule.condition)}::jsonb, actions = ${JSON.stringify(rule.actions)}::jsonb, updated_at = now()
     where organization_id = bound_organization() and id = ${id}
    returning ${ruleColumns}`)
}

export async function deleteRule(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from ticket_rules where organization_id = bound_organization() and id = ${id}`)
}

export async function countRules(db: CommonQueryMethods): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`select count(*) as count from ticket_rules where organization_id = bound_organization()`)
}

/** The active rules that wait for one of some events, in the order in which they run; none where this database has no rules (yet, or any more). */
export async function rulesFor(db: CommonQueryMethods, events: readonly RuleEvent[], limit: number): Promise<readonly RuleRow[]> {
  if (!(await partsOf(db)).rules) return []
  return db.any(
    prepared(
      'rules-for',
      sql.type(ruleRow)`
    select ${ruleColumns} from ticket_rules
     where organization_id = bound_organization() and is_active and events && ${sql.array([...events], 'text')}
     order by position, created_at, id limit ${limit}`,
    ),
  )
}
