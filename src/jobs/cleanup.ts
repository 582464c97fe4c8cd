import { z } from 'zod'
import { readConfig } from '#config.ts'
import { bindOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import {
  removeExpiredSuggestions,
  removeOldIdempotencyKeys,
  removeOldJobs,
  removeOldRefreshTokens,
  removeOldSlots,
  turnEventPartitions,
} from '#db/retention.ts'
import { organizationIds } from '#db/schedules.ts'
import type { JobType } from './job-type.ts'
import { TICKET_BACKOFF } from './ticket-job.ts'

/** One run removes at most this much of each kind; what is left goes with the next run, so that no transaction grows long. */
const BATCH = 5_000
const PARTITION_DAYS_AHEAD = 14
const JOB_KEEP_DAYS = { done: 7, cancelled: 7, failed: 30 }

const payload = z.strictObject({ events_keep_days: z.int().min(2).max(3_650).optional() })

/** Removes what has served its time: drafts, keys, tokens, finished jobs, old days of the event log. */
export const cleanup: JobType<z.infer<typeof payload>> = {
  name: 'CLEANUP',
  queue: 'default',
  payload,
  max_attempts: 3,
  timeout_ms: 300_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'installation',
  async run(job) {
    const organizations = await job.read(organizationIds)
    const keepDays = job.payload.events_keep_days ?? readConfig().JOB_EVENTS_KEEP_DAYS
    return {
      kind: 'succeed',
      result: { organizations: organizations.length, events_keep_days: keepDays },
      writes: async (tx) => {
        for (const organization of organizations) await removeTenantRows(tx, organization)
        await removeOldRefreshTokens(tx, BATCH)
        await removeOldSlots(tx, BATCH)
        await removeOldJobs(tx, JOB_KEEP_DAYS, BATCH)
        // Last, because dropping a day locks the log until the transaction ends.
        await turnEventPartitions(tx, PARTITION_DAYS_AHEAD, keepDays)
      },
    }
  },
}

async function removeTenantRows(tx: DatabaseTransactionConnection, organizationId: string): Promise<void> {
  await bindOrganization(tx, organizationId)
  await removeExpiredSuggestions(tx, BATCH)
  await removeOldIdempotencyKeys(tx, BATCH)
  await bindOrganization(tx, '')
}
