import { insertAudit } from '#db/audit.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { rulesFor } from '#db/ticket-rules.ts'
import type { RuleEvent, RuleRow } from '#db/ticket-rules.ts'
import { lockTicket } from '#db/tickets.ts'
import type { TicketRow } from '#db/tickets.ts'
import { matches } from '#desk/ticket-matches.ts'
import { act } from './rule-actions.ts'
import type { Author, Changed } from './ticket-change.ts'

/** Rules of an organisation; further ones do not run, because they cannot be made. */
export const RULES_MAX = 100
/** One event causes no more actions than this, whatever the rules. */
const ACTIONS_PER_EVENT = 50

/** What became of one action of a rule. */
export interface ActionOutcome {
  type: string
  outcome: 'changed' | 'unchanged' | 'refused'
  detail: string | null
}

/**
 * Runs the organisation's rules on a locked ticket to which something has happened, in the transaction of what happened.
 * Each rule sees the ticket as the rules before it left it, and runs once: what rules do is no event for rules.
 *
 * @param rules where they were read already
 */
export async function runRules(
  tx: DatabaseTransactionConnection,
  author: Author,
  events: readonly RuleEvent[],
  changed: Changed,
  rules?: readonly RuleRow[],
): Promise<Changed> {
  let { ticket } = changed
  const queues = [...changed.queues]
  let actions = 0
  for (const rule of rules ?? (await rulesFor(tx, events, RULES_MAX))) {
    if (actions + rule.actions.length > ACTIONS_PER_EVENT) {
      await noteRun(tx, author, ticket.id, {
        rule: { id: rule.id, name: rule.name },
        ...causeOf(author),
        skipped: `more than ${ACTIONS_PER_EVENT} actions`,
        is_internal: true,
      })
      break
    }
    const ran = await runRule(tx, author, ticket, rule)
    if (!ran) continue
    actions += rule.actions.length
    ticket = ran.ticket
    queues.push(...ran.queues)
  }
  return { ticket, queues }
}

/** Runs one rule on a locked ticket. @returns null where its condition does not hold */
export async function runRule(
  tx: DatabaseTransactionConnection,
  author: Author,
  ticket: TicketRow,
  rule: Pick<RuleRow, 'id' | 'name' | 'condition' | 'actions'>,
): Promise<(Changed & { actions: ActionOutcome[] }) | null> {
  if (!matches(rule.condition, ticket, new Date())) return null
  const by = { rule: { id: rule.id, name: rule.name } }
  const actions: ActionOutcome[] = []
  const queues: string[] = []
  let now = ticket
  for (const action of rule.actions) {
    try {
      const done = await act(tx, { ...author, by }, now, action)
      const isChanged = done.ticket.version !== now.version || action.type === 'notify'
      actions.push({ type: action.type, outcome: isChanged ? 'changed' : 'unchanged', detail: null })
      now = done.ticket
      queues.push(...done.queues)
    } catch (error) {
      // What cannot be done to this ticket is told; a fault of ours undoes it all.
      if (!(error instanceof Error && 'statusCode' in error)) throw error
      actions.push({ type: action.type, outcome: 'refused', detail: error.message })
    }
  }
  if (actions.some(({ outcome }) => outcome !== 'unchanged')) await noteRun(tx, author, ticket.id, { ...by, ...causeOf(author), actions, is_internal: true })
  return { ticket: now, queues, actions }
}

/** Runs the rules that wait for comments, in the transaction of the comment. @returns the queues of the jobs that this causes */
export async function ruleComment(tx: DatabaseTransactionConnection, author: Author, ticketId: string): Promise<string[]> {
  const ticket = await lockTicket(tx, { user_id: author.user_id, sees: 'all' }, ticketId)
  return ticket ? (await runRules(tx, author, ['commented'], { ticket, queues: [] })).queues : []
}

const causeOf = ({ cause }: Author) => (cause ? { cause } : {})

function noteRun(tx: DatabaseTransactionConnection, author: Author, ticketId: string, details: unknown): Promise<void> {
  const { organization_id, user_id, request_id } = author
  return insertAudit(tx, { organization_id, actor_id: user_id, action: 'rule.run', entity_type: 'ticket', entity_id: ticketId, details, request_id })
}
