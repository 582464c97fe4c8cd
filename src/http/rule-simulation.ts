import type { DatabaseTransactionConnection } from '#db/pool.ts'
import type { RuleRow } from '#db/ticket-rules.ts'
import { lockTicket } from '#db/tickets.ts'
import type { TicketRow } from '#db/tickets.ts'
import type { Author } from './ticket-change.ts'
import { differences } from './ticket-change.ts'
import { runRule } from './ticket-rules.ts'
import type { ActionOutcome } from './ticket-rules.ts'

/** What a rule would do to a ticket. */
export interface Simulated {
  ticket_id: string
  number: number
  subject: string
  changes: Record<string, { from: unknown; to: unknown }>
  actions: ActionOutcome[]
}

/** Ends a savepoint: what was done in it is told, and undone, and its locks are let go. */
class Undone extends Error {
  override name = 'Undone'
}

/** Runs a rule on a ticket as it stands, by the code that runs it, and takes everything back. @returns null where its condition does not hold */
export async function simulateRule(
  tx: DatabaseTransactionConnection,
  author: Author,
  ticketId: string,
  rule: Pick<RuleRow, 'id' | 'name' | 'condition' | 'actions'>,
): Promise<Simulated | null> {
  const told: { before?: TicketRow; ran?: Awaited<ReturnType<typeof runRule>> } = {}
  await tx
    .transaction(async (savepoint) => {
      const before = await lockTicket(savepoint, { user_id: author.user_id, sees: 'all' }, ticketId)
      if (before) Object.assign(told, { before, ran: await runRule(savepoint, author, before, rule) })
      throw new Undone()
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undone)) throw error
    })
  if (!told.before || !told.ran) return null
  const { id, number, subject } = told.before
  return { ticket_id: id, number, subject, changes: differences(told.before, told.ran.ticket), actions: told.ran.actions }
}
