import { z } from 'zod'
import { sql } from './sql.ts'
import { RULE_EVENTS } from './ticket-rules.ts'
import type { RuleEvent } from './ticket-rules.ts'
import type { CommonQueryMethods } from './pool.ts'

const ruleEvent = z.object({
  event_id: z.number(),
  ticket_id: z.string(),
  /** What was audited: `ticket.sla_breach`. */
  action: z.string(),
  events: z.array(z.enum(RULE_EVENTS)),
  attempts: z.number(),
})
/** Something that a job or a clock did to a ticket, whose rules have not run yet. */
export type RuleEventRow = z.infer<typeof ruleEvent>

/** Keeps what happened to tickets of the bound organisation until rules have run on it; what no active rule waits for is left out. */
export async function insertRuleEvents(
  db: CommonQueryMethods,
  happened: readonly { event_id: number; ticket_id: string; action: string; events: readonly RuleEvent[] }[],
): Promise<void> {
  if (happened.length === 0) return
  await db.query(sql.typeAlias('void')`
    insert into ticket_rule_events (organization_id, event_id, ticket_id, action, events)
    select bound_organization(), event_id, ticket_id, action, events
      from jsonb_to_recordset(${JSON.stringify(happened)}::jsonb) as given (event_id bigint, ticket_id uuid, action text, events text[])
     where exists (select from ticket_rules rule where organization_id = bound_organization() and is_active and rule.events && given.events)
       and exists (select from tickets where organization_id = bound_organization() and tickets.id = given.ticket_id)
    on conflict do nothing`)
}

/** Organisations of which events wait for their rules. For the installation's role. */
export async function organizationsToRule(db: CommonQueryMethods, limit: number): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ organization_id: z.string() }))`
    select organization_id from ticket_rule_events where run_after <= now() group by organization_id order by min(run_after) limit ${limit}`)
}

/** The bound organisation's next event that waits for its rules, held for this transaction; null where there is none, or another one is at it. */
export async function takeRuleEvent(db: CommonQueryMethods): Promise<RuleEventRow | null> {
  const isMine = await db.oneFirst(sql.type(z.object({ mine: z.boolean() }))`
    select pg_try_advisory_xact_lock(hashtextextended('rule-events:' || bound_organization(), 0)) as mine`)
  if (!isMine) return null
  return db.maybeOne(sql.type(ruleEvent)`
    select event_id, ticket_id, action, events, attempts from ticket_rule_events
     where organization_id = bound_organization() and run_after <= now() order by event_id limit 1 for update`)
}

export async function deleteRuleEvent(db: CommonQueryMethods, eventId: number): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from ticket_rule_events where organization_id = bound_organization() and event_id = ${eventId}`)
}

/** Has an event's rules tried again later. */
export async function putOffRuleEvent(db: CommonQueryMethods, eventId: number, delayMs: number): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update ticket_rule_events set attempts = attempts + 1, run_after = now() + ${delayMs} * interval '1 millisecond'
     where organization_id = bound_organization() and event_id = ${eventId}`)
}

/** How often rules did something to a ticket in the last hour because a job or a clock had. */
export async function countMachineRuns(db: CommonQueryMethods, ticketId: string): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`
    select count(*) as count from audit_log
     where organization_id = bound_organization() and entity_type = 'ticket' and entity_id = ${ticketId}::text and action = 'rule.run'
       and details ? 'cause' and at > now() - interval '1 hour'`)
}
