import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** The organisation with this slug; null where there is none. */
export async function organizationIdOf(db: CommonQueryMethods, slug: string): Promise<string | null> {
  return db.maybeOneFirst(sql.type(z.object({ id: z.string() }))`select id from organizations where slug = ${slug}`)
}
