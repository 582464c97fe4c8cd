import { z } from 'zod'
import { RANGE_IDS } from './job-counts.ts'
import { listJobs } from './job-lists.ts'
import type { JobFilter } from './job-lists.ts'
import type { JobRow } from './jobs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Ranges of 5,000 ids that one page looks through at most. */
export const SEARCH_RANGES_MAX = 30

/** Where jobs that match may stand: ids from `from` to below `to`, the newest first. */
export interface SearchPlan {
  spans: readonly { from: number; to: number }[]
  /** Where the next page begins; null where nothing is left behind the spans. */
  rest: number | null
}

/**
 * Plans a page of a list of jobs by what is known of each range of ids, so that its cost is bounded whatever matches: a
 * state, type, queue or organisation is looked for where it occurs, and what is not known by range (text, a ticket) in
 * the newest ranges. For the installation's role.
 *
 * @param filter names the organisation also where row-level security does
 * @returns null where the list needs no plan, since an index gives it in its order
 */
export async function planSearch(db: CommonQueryMethods, filter: JobFilter, before: number | null): Promise<SearchPlan | null> {
  if (Object.entries(filter).every(([name, wanted]) => wanted === null || name === 'organization_id')) return null
  const ranges = await rangesThatMayHold(db, filter, before, SEARCH_RANGES_MAX + 1)
  const looked = ranges.slice(0, SEARCH_RANGES_MAX)
  const spans: { from: number; to: number }[] = []
  for (const range of looked) {
    const [from, to] = [range * RANGE_IDS, (range + 1) * RANGE_IDS]
    const last = spans.at(-1)
    if (last?.from === to) last.from = from
    else spans.push({ from, to })
  }
  return { spans, rest: ranges.length > looked.length ? looked.at(-1)! * RANGE_IDS : null }
}

/** The jobs of a planned page, at most `limit`; of a list that needs no plan, as they come. */
export async function searchJobs(
  db: CommonQueryMethods,
  filter: JobFilter,
  { plan, before, limit }: { plan: SearchPlan | null; before: number | null; limit: number },
): Promise<readonly JobRow[]> {
  if (plan === null) return listJobs(db, filter, { from: null, before, limit })
  const rows: JobRow[] = []
  for (const { from, to } of plan.spans) {
    rows.push(...(await listJobs(db, filter, { from, before: before === null ? to : Math.min(before, to), limit: limit - rows.length })))
    if (rows.length === limit) break
  }
  return rows
}

/**
 * The ranges that may hold a match, the newest first. A range that is not settled, and one with a job that has changed
 * since, may hold anything; jobs that are not ended stand in no other. An extra range costs time, a missing one would be a fault.
 */
export async function rangesThatMayHold(db: CommonQueryMethods, filter: JobFilter, before: number | null, limit: number): Promise<readonly number[]> {
  return db.anyFirst(sql.type(z.object({ id_range: z.number() }))`
    with excepted as materialized (
      select distinct job_range(job_id) as id_range from job_count_exceptions
    )
    select series.id_range
      from generate_series(
             job_range(least((select max(id) from job_queue), ${before}::int8 - 1)), job_range((select min(id) from job_queue)), -1
           ) as series (id_range)
      left join job_count_ranges settled on settled.id_range = series.id_range
     where settled.id_range is null or not settled.kinds_known
        or series.id_range in (select id_range from excepted)
        or (${filter.locked_by}::int8 is null
            and (${filter.created_after}::timestamptz is null or settled.created_to > ${filter.created_after}::timestamptz)
            and (${filter.created_before}::timestamptz is null or settled.created_from < ${filter.created_before}::timestamptz)
            and exists (
              select from job_range_kinds kind
               where kind.id_range = series.id_range
                 and (${filter.status}::job_status is null or kind.status = ${filter.status}::job_status)
                 and (${filter.job_type}::text is null or kind.job_type = ${filter.job_type})
                 and (${filter.queue}::text is null or kind.queue = ${filter.queue})
                 and (${filter.organization_id}::uuid is null or kind.tenant = ${filter.organization_id}::uuid)))
     order by series.id_range desc limit ${limit}`)
}
