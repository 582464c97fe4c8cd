import { createSqlTag } from 'slonik'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { z } from 'zod'

/** The tag of every statement. `sql.type(schema)` for rows, `sql.typeAlias('void')` for none, `sql.fragment` for parts. */
export const sql = createSqlTag({
  typeAliases: {
    void: z.object({}).loose() as unknown as StandardSchemaV1<unknown, Record<string, never>>,
    id: z.object({ id: z.union([z.string(), z.number()]) }),
    count: z.object({ count: z.number() }),
  },
})
