import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Tags are counted in so many of the newest tickets. */
const TICKETS_LOOKED_AT = 5_000

export const tagCount = z.object({ tag: z.string(), tickets: z.number() })

/** The most frequent tags of the bound organisation's newest tickets. */
export async function tagsInUse(db: CommonQueryMethods, limit: number): Promise<readonly z.infer<typeof tagCount>[]> {
  return db.any(sql.type(tagCount)`
    select tag, count(*) as tickets
      from (select tags from tickets where organization_id = bound_organization() order by number desc limit ${TICKETS_LOOKED_AT}) newest, unnest(tags) tag
     group by tag order by count(*) desc, tag limit ${limit}`)
}
