import { ofBound, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Tables whose rows are written as a whole, from what was read and what is to change. */
export type WrittenWhole =
  | 'agent_groups'
  | 'canned_responses'
  | 'job_views'
  | 'kb_categories'
  | 'services'
  | 'sla_calendars'
  | 'sla_policies'
  | 'ticket_rules'
  | 'ticket_views'

/**
 * Locks a row before it is read, changed or deleted: two who change different fields of it at once would undo each other, and
 * one who changes what another is deleting would find nothing to write. Where it is gone, nothing is locked, and the read finds nothing.
 */
export async function lockRow(db: CommonQueryMethods, table: WrittenWhole, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`select from ${sql.identifier([table])} where id = ${id} and ${ofBound} for no key update`)
}
