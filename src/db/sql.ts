import { createSqlTag } from 'slonik'
import { z } from 'zod'

/** The tag of every statement. `sql.type(schema)` for rows, `sql.typeAlias('void')` for none, `sql.fragment` for parts. */
export const sql = createSqlTag({
  typeAliases: {
    void: z.object({}).loose(),
    id: z.object({ id: z.union([z.string(), z.number()]) }),
    count: z.object({ count: z.number() }),
  },
})
