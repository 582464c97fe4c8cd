import type { EventRow } from '#db/events.ts'
import { insertRuleEvents } from '#db/rule-events.ts'
import type { RuleEvent } from '#db/ticket-rules.ts'
import type { CommonQueryMethods } from '#db/pool.ts'

/** What jobs and clocks do to tickets, and what that is to rules. What people do has its rules run in the transaction in which they do it. */
const OF_MACHINES: Readonly<Record<string, readonly RuleEvent[]>> = {
  'ticket.triage_apply': ['updated'],
  'ticket.auto_escalate': ['updated'],
  'ticket.sla_warn': ['sla_warned'],
  'ticket.sla_breach': ['sla_breached'],
  'ticket.sla_notify': ['sla_escalated'],
  'ticket.sla_raise_priority': ['sla_escalated', 'updated'],
}

/** Hands over to rules what jobs and clocks did. What rules did is not among it: no rule runs on what a rule has changed. */
export async function handToRules(tx: CommonQueryMethods, events: readonly EventRow[]): Promise<void> {
  await insertRuleEvents(
    tx,
    events.flatMap(({ id, action, actor_id, ticket_id, details }) => {
      const ruled = OF_MACHINES[action]
      return ruled && ticket_id && actor_id === null && !('rule' in details) ? [{ event_id: id, ticket_id, action, events: ruled }] : []
    }),
  )
}
