import { z } from 'zod'
import { attachmentsDirectory, readConfig } from '#config.ts'
import { knownStorageKeys } from '#db/attachments.ts'
import { removeOldActorMoves } from '#db/actor-moves.ts'
import { pruneAudit } from '#db/audit-chain.ts'
import { removeOldClockMoves } from '#db/clock-flow.ts'
import { bindOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import {
  removeExpiredSuggestions,
  removeOldAccountRows,
  removeOldEgress,
  removeOldDeliveries,
  removeOldIdempotencyKeys,
  removeOldJobs,
  removeOldKeptKeys,
  removeOldPredictions,
  removeOldRefreshTokens,
  removeOldSlaPredictions,
  removeOldSlots,
  removeOldSnapshots,
  turnEventPartitions,
} from '#db/retention.ts'
import { organizationIds } from '#db/schedules.ts'
import { AttachmentFiles } from '#files/attachment-files.ts'
import type { JobType, RunningJob } from './job-type.ts'
import { TICKET_BACKOFF } from './ticket-job.ts'

/** One run removes at most this much of each kind; what is left goes with the next run, so that no transaction grows long. */
const BATCH = 5_000
const PARTITION_DAYS_AHEAD = 14
/** An upload and its row are never further apart than this. */
const ORPHAN_MS = 3_600_000
const JOB_KEEP_DAYS = { done: 7, cancelled: 7, failed: 30 }

const payload = z.strictObject({ events_keep_days: z.int().min(2).max(3_650).optional() })

/** Removes what has served its time: drafts, keys, tokens, finished jobs, old days of the log of jobs, audit past its retention. */
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
    const { JOB_EVENTS_KEEP_DAYS, AUDIT_KEEP_DAYS: auditDays } = readConfig()
    const keepDays = job.payload.events_keep_days ?? JOB_EVENTS_KEEP_DAYS
    const orphans = await removeOrphans(job, organizations)
    return {
      kind: 'succeed',
      result: { organizations: organizations.length, events_keep_days: keepDays, orphaned_files: orphans },
      writes: async (tx) => {
        for (const organization of organizations) await removeTenantRows(tx, organization)
        await removeOldRefreshTokens(tx, BATCH)
        await removeOldAccountRows(tx, BATCH)
        await removeOldSlots(tx, BATCH)
        await pruneAudit(tx, auditDays, BATCH)
        await removeOldJobs(tx, JOB_KEEP_DAYS, BATCH)
        await removeOldKeptKeys(tx, BATCH)
        await removeOldActorMoves(tx, BATCH)
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
  await removeOldEgress(tx, BATCH)
  await removeOldPredictions(tx, BATCH)
  await removeOldSlaPredictions(tx, BATCH)
  await removeOldDeliveries(tx, BATCH)
  await removeOldSnapshots(tx, BATCH)
  await removeOldClockMoves(tx, BATCH)
  await bindOrganization(tx, '')
}

/**
 * Removes files of attachments that no row speaks of. Directories of organisations that this database does not know are
 * left alone: they are another desk's.
 */
async function removeOrphans(job: RunningJob<unknown>, organizations: readonly string[]): Promise<number> {
  const files = new AttachmentFiles(attachmentsDirectory(readConfig()))
  const before = new Date(Date.now() - ORPHAN_MS)
  let removed = 0
  for (const organization of organizations) {
    const { keys, unfinished } = await files.olderThan(organization, before)
    await files.removeUnfinished(unfinished)
    removed += unfinished.length
    for (let at = 0; at < keys.length; at += BATCH) {
      const some = keys.slice(at, at + BATCH)
      const known = await job.read(async (tx) => {
        await bindOrganization(tx, organization)
        return knownStorageKeys(tx, some)
      })
      for (const key of some.filter((each) => !known.has(each))) {
        job.signal.throwIfAborted()
        await files.remove(key)
        removed += 1
      }
    }
  }
  return removed
}
