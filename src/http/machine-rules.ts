import { insertAudit } from '#db/audit.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { isDatabaseAway } from '#db/errors.ts'
import { countMachineRuns, deleteRuleEvent, putOffRuleEvent, takeRuleEvent } from '#db/rule-events.ts'
import type { RuleEventRow } from '#db/rule-events.ts'
import { lockTicket } from '#db/tickets.ts'
import { runRules } from './ticket-rules.ts'

/**
 * Rules do so much to one ticket within an hour because jobs or clocks did something to it. A rule whose work makes a job
 * undo it, which runs the rule again, ends there.
 */
export const MACHINE_RUNS_MAX = 20
/** An event whose rules fail so often is left, with a word in the ticket's history. */
const ATTEMPTS_MAX = 5
const AGAIN_MS = 2_000

interface MachineRun {
  queues: string[]
  /** Whether an event was dealt with: there may be more. */
  ran: boolean
  error: unknown
}

/**
 * Runs the rules on the next thing that a job or a clock did to a ticket of the bound organisation: once, in the transaction in which
 * it is forgotten. The ticket is as it stands now, a moment after.
 */
export async function runMachineRules(tx: DatabaseTransactionConnection, organizationId: string): Promise<MachineRun> {
  const event = await takeRuleEvent(tx)
  if (!event) return { queues: [], ran: false, error: null }
  try {
    const queues = await tx.transaction((savepoint) => runOn(savepoint, organizationId, event))
    await deleteRuleEvent(tx, event.event_id)
    return { queues, ran: true, error: null }
  } catch (error) {
    if (isDatabaseAway(error)) throw error
    if (event.attempts + 1 < ATTEMPTS_MAX) await putOffRuleEvent(tx, event.event_id, AGAIN_MS * 2 ** event.attempts)
    else {
      await skip(tx, organizationId, event, `failed ${ATTEMPTS_MAX} times`)
      await deleteRuleEvent(tx, event.event_id)
    }
    return { queues: [], ran: true, error }
  }
}

async function runOn(tx: DatabaseTransactionConnection, organizationId: string, event: RuleEventRow): Promise<string[]> {
  const ticket = await lockTicket(tx, { user_id: null, sees: 'all' }, event.ticket_id)
  if (!ticket) return []
  if ((await countMachineRuns(tx, ticket.id)) >= MACHINE_RUNS_MAX) {
    await skip(tx, organizationId, event, `more than ${MACHINE_RUNS_MAX} runs within an hour`)
    return []
  }
  const author = { organization_id: organizationId, user_id: null, request_id: null, cause: causeOf(event) }
  return (await runRules(tx, author, event.events, { ticket, queues: [] })).queues
}

const causeOf = ({ event_id, action }: RuleEventRow) => ({ event_id, action })

function skip(tx: DatabaseTransactionConnection, organizationId: string, event: RuleEventRow, why: string): Promise<void> {
  return insertAudit(tx, {
    organization_id: organizationId,
    actor_id: null,
    action: 'rule.run',
    entity_type: 'ticket',
    entity_id: event.ticket_id,
    details: { skipped: why, after: causeOf(event), is_internal: true },
    request_id: null,
  })
}
