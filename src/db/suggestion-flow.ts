import { z } from 'zod'
import { suggestionChart } from '#machines/charts.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const suggestionMove = z.object({ to_state: z.enum(suggestionChart.states).nullable(), count: z.number(), p50_ms: z.number(), p95_ms: z.number() })
export type SuggestionMove = z.infer<typeof suggestionMove>

/**
 * What became of the bound organisation's suggestions that were decided, expired or replaced in the last `seconds`, and how
 * long they had been open: a row for all of them (to_state null) and one an outcome. A suggestion moves once, so its row is its log.
 */
export async function countSuggestionMoves(db: CommonQueryMethods, seconds: number): Promise<readonly SuggestionMove[]> {
  return db.any(sql.type(suggestionMove)`
    select state as to_state, count(*),
           percentile_cont(0.5) within group (order by extract(epoch from decided_at - created_at)::float8 * 1000) as p50_ms,
           percentile_cont(0.95) within group (order by extract(epoch from decided_at - created_at)::float8 * 1000) as p95_ms
      from ai_predictions
     where organization_id = bound_organization() and decided_at > now() - make_interval(secs => ${seconds})
     group by grouping sets ((state), ()) having count(*) > 0`)
}

/** How many suggestions the bound organisation's agents were offered in the last `seconds`. */
export async function countNewSuggestions(db: CommonQueryMethods, seconds: number): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`
    select count(*) from ai_predictions
     where organization_id = bound_organization() and state is not null and created_at > now() - make_interval(secs => ${seconds})`)
}

/** In which states the bound organisation's suggestions stand; what was never offered stands in none. */
export async function countSuggestions(db: CommonQueryMethods): Promise<Record<string, number>> {
  const rows = await db.any(sql.type(z.object({ state: z.enum(suggestionChart.states), count: z.number() }))`
    select state, count(*) from ai_predictions where organization_id = bound_organization() and state is not null group by state`)
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
}
