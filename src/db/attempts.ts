import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const standing = z.object({ subject: z.string(), attempts: z.number(), seconds_left: z.number() })
export type AttemptStanding = z.infer<typeof standing>

/**
 * Counts one attempt for each subject, before it is made: of a burst at once no more pass than are allowed. A window
 * begins with its first attempt; what is refused does not make it longer.
 */
export async function countAttempts(db: CommonQueryMethods, subjects: readonly string[], windowSeconds: number): Promise<readonly AttemptStanding[]> {
  return db.any(sql.type(standing)`
    insert into attempt_counts as known (subject, attempts, window_ends)
    select subject, 1, now() + ${windowSeconds} * interval '1 second' from unnest(${sql.array(subjects, 'text')}) as given (subject) order by subject collate "C"
    on conflict (subject) do update
       set attempts = case when known.window_ends <= now() then 1 else known.attempts + 1 end,
           window_ends = case when known.window_ends <= now() then excluded.window_ends else known.window_ends end
    returning subject, attempts, extract(epoch from window_ends - now())::float8 as seconds_left`)
}

/** Takes one attempt back from each subject: it was no failure. Those of `forgiven` begin anew. */
export async function uncountAttempts(db: CommonQueryMethods, subjects: readonly string[], forgiven: readonly string[] = []): Promise<void> {
  await db.query(sql.typeAlias('void')`
    with locked as materialized (
      select subject from attempt_counts where subject = any(${sql.array([...subjects, ...forgiven], 'text')}) order by subject for update
    )
    update attempt_counts
       set attempts = case when subject = any(${sql.array(forgiven, 'text')}) then 0 else greatest(attempts - 1, 0) end
     where subject in (select subject from locked)`)
}
