import { Lanes } from '#actors/lanes.ts'
import { claimJobs, readyLanes } from '#db/job-claims.ts'
import type { ClaimedRow } from '#db/job-claims.ts'
import type { CommonQueryMethods } from '#db/pool.ts'

/** Claims up to `limit` jobs as a supervisor does: looks at the lanes, plans, claims, and learns, until there is no more. */
export async function claim(db: CommonQueryMethods, { queue, worker, limit }: { queue: string; worker: number; limit: number }): Promise<ClaimedRow[]> {
  const lanes = new Lanes()
  lanes.renew(await readyLanes(db, queue, 100), performance.now())
  const claimed: ClaimedRow[] = []
  while (claimed.length < limit && lanes.hasDue(performance.now())) {
    const quotas = lanes.plan(limit - claimed.length, performance.now())
    const jobs = await claimJobs(db, { queue, worker, lanes: quotas })
    lanes.learn(quotas, jobs)
    claimed.push(...jobs)
  }
  return claimed
}
