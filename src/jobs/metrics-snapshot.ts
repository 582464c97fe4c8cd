import { z } from 'zod'
import { insertSnapshot, readSnapshot } from '#db/snapshots.ts'
import type { JobType } from './job-type.ts'
import { TICKET_BACKOFF } from './ticket-job.ts'

/** A slot is this long, and begins at a multiple of it (UTC). */
const SLOT_MINUTES = 5
const WINDOW_DAYS = 30

const payload = z.strictObject({})

/** Keeps the organisation's figures, once a slot. */
export const metricsSnapshot: JobType<z.infer<typeof payload>> = {
  name: 'METRICS_SNAPSHOT',
  queue: 'default',
  payload,
  max_attempts: 3,
  timeout_ms: 60_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const snapshot = await job.read((db) => readSnapshot(db, { slot_minutes: SLOT_MINUTES, window_days: WINDOW_DAYS }))
    return {
      kind: 'succeed',
      result: { slot: snapshot.slot.toISOString() },
      writes: async (tx) => {
        await insertSnapshot(tx, snapshot)
      },
    }
  },
}
