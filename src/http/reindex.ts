import { enqueueJobs } from '#db/job-enqueue.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { solvedAmong } from '#db/rag-links.ts'
import { hasJobEngine } from '#db/ticket-ai.ts'
import { newJob } from '#jobs/job-type.ts'
import { ragIndex } from '#jobs/rag-index.ts'

/** Has articles indexed anew, or taken out of the index, in the caller's transaction. @returns the queues in which that waits */
export async function reindexArticles(tx: CommonQueryMethods, organizationId: string, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0 || !(await hasJobEngine(tx))) return []
  await enqueueJobs(
    tx,
    ids.map((source_id) => newJob(ragIndex, organizationId, { source_type: 'kb', source_id })),
  )
  return [ragIndex.queue]
}

/** Has those of these tickets that are solved indexed anew: what they are linked to has changed. @returns the queues in which that waits */
export async function reindexSolved(tx: CommonQueryMethods, organizationId: string, ids: readonly string[]): Promise<string[]> {
  if (!(await hasJobEngine(tx))) return []
  const solved = await solvedAmong(tx, ids)
  await enqueueJobs(
    tx,
    solved.map((source_id) => newJob(ragIndex, organizationId, { source_type: 'ticket', source_id })),
  )
  return solved.length > 0 ? [ragIndex.queue] : []
}
