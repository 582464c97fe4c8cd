import { z } from 'zod'
import { insertProbeEffect } from '#db/probe-effects.ts'
import { sql } from '#db/sql.ts'
import type { JobType } from '#jobs/job-type.ts'

const payload = z.strictObject({ naps_ms: z.int().min(0).max(60_000), marker: z.string().min(1).max(200) })

/** A job that asks to be called again until `naps_ms` have passed since it was enqueued, by the database's clock; then it leaves its marker. */
export const nap: JobType<z.infer<typeof payload>> = {
  name: 'NAP',
  queue: 'chaos',
  payload,
  max_attempts: 5,
  timeout_ms: 60_000,
  backoff: { base_ms: 200, factor: 2, max_ms: 10_000, jitter: 0.2 },
  belongs_to: 'either',
  async run({ id, organization_id, attempt, payload: { naps_ms, marker }, read }) {
    const left = await read((db) =>
      db.oneFirst(sql.type(z.object({ left: z.number() }))`
        select extract(epoch from created_at - now())::float8 * 1000 + ${naps_ms} as left from job_queue where id = ${id}`),
    )
    if (left > 0) return { kind: 'snooze', delay_ms: Math.ceil(left / 2) }
    return { kind: 'succeed', writes: (tx) => insertProbeEffect(tx, { job_id: id, attempt, marker, organization_id }) }
  },
}
