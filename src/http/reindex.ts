import { enqueueJobs } from '#db/job-enqueue.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
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
