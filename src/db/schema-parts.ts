import { z } from 'zod'
import { prepared, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** What this database has; taken down to an older version, it is without. */
export const schemaParts = z.object({ jobs: z.boolean(), rules: z.boolean() })
type SchemaParts = z.infer<typeof schemaParts>

/** For a statement that goes anyhow: looking is quicker than a statement of its own. */
export const partColumns = sql.fragment`
  to_regclass('job_queue') is not null and to_regclass('org_settings') is not null as jobs, to_regclass('ticket_rules') is not null as rules`

const noted = new WeakMap<object, SchemaParts>()

/** Notes what a statement of the transaction `tx` has found. */
export function noteParts(tx: CommonQueryMethods, parts: SchemaParts): void {
  noted.set(tx, parts)
}

/** What there is, as the transaction of `db` has found when its organisation was bound; else it is asked for. */
export async function partsOf(db: CommonQueryMethods): Promise<SchemaParts> {
  return noted.get(db) ?? db.one(prepared('schema-parts', sql.type(schemaParts)`select ${partColumns}`))
}
