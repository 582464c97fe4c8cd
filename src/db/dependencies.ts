import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const CIRCUITS = ['closed', 'open', 'half_open'] as const

export const dependencyRow = z.object({
  name: z.string(),
  circuit: z.enum(CIRCUITS),
  last_ok_at: z.date().nullable(),
  last_failure_at: z.date().nullable(),
})
export type DependencyRow = z.infer<typeof dependencyRow>

/** Notes how a dependency answered a worker, for everybody to see. */
export async function noteDependency(db: CommonQueryMethods, seen: { name: string; circuit: (typeof CIRCUITS)[number]; answered: boolean }): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into dependencies (name, circuit, last_ok_at, last_failure_at)
    values (${seen.name}, ${seen.circuit}, case when ${seen.answered} then now() end, case when not ${seen.answered} then now() end)
    on conflict (name) do update
      set circuit = excluded.circuit, last_ok_at = coalesce(excluded.last_ok_at, dependencies.last_ok_at),
          last_failure_at = coalesce(excluded.last_failure_at, dependencies.last_failure_at), updated_at = now()`)
}

/** What the installation depends on beside its database, as it was last seen. */
export async function listDependencies(db: CommonQueryMethods): Promise<readonly DependencyRow[]> {
  return db.any(sql.type(dependencyRow)`select name, circuit, last_ok_at, last_failure_at from dependencies order by name`)
}
