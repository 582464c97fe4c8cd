import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Leaves the marker of a PROBE job. */
export async function insertProbeEffect(
  db: CommonQueryMethods,
  effect: { job_id: number; attempt: number; marker: string; organization_id: string | null },
): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into probe_effects (job_id, attempt, marker, organization_id)
    values (${effect.job_id}, ${effect.attempt}, ${effect.marker}, ${effect.organization_id})`)
}
