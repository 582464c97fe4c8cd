import { createSqlTag } from 'slonik'
import type { QuerySqlToken } from 'slonik'
import { z } from 'zod'

/** The tag of every statement. `sql.type(schema)` for rows, `sql.typeAlias('void')` for none, `sql.fragment` for parts. */
export const sql = createSqlTag({
  typeAliases: {
    void: z.object({}).loose(),
    id: z.object({ id: z.union([z.string(), z.number()]) }),
    count: z.object({ count: z.number() }),
  },
})

/** Holds for rows of the bound organisation; where none is bound, for all that the role sees: what operators and organisations ask alike. */
export const ofBound = sql.fragment`(bound_organization() is null or organization_id = bound_organization())`

/**
 * A statement that each connection plans once instead of each time: for what is asked thousands of times a second, and
 * whose planning takes longer than its work. Behind a pooler it is planned each time, see isPooled.
 *
 * @param name always of the same text; whoever sends another one under it gets an error
 */
export function prepared<T extends QuerySqlToken>(name: string, query: T): T {
  return { ...query, name }
}
