import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { insertProbeEffect } from '#db/probe-effects.ts'
import { PermanentFailure } from './job-type.ts'
import type { JobType } from './job-type.ts'

/** As many attempts as any job may have. */
const FAIL_TIMES_MAX = 100

const payload = z.strictObject({
  sleep_ms: z.int().min(0).max(3_600_000).optional(),
  fail_times: z.int().min(0).max(FAIL_TIMES_MAX).optional(),
  permanent: z.boolean().optional(),
  marker: z.string().min(1).max(200).optional(),
})

/**
 * An operator's test job: it sleeps, fails its first `fail_times` attempts, and leaves its marker as a transactional effect.
 * With `permanent` its failure is for good; without a number of times to fail, every attempt does.
 */
export const probe: JobType<z.infer<typeof payload>> = {
  name: 'PROBE',
  queue: 'default',
  payload,
  max_attempts: 5,
  timeout_ms: 3_600_000,
  backoff: { base_ms: 200, factor: 2, max_ms: 10_000, jitter: 0.2 },
  belongs_to: 'either',
  async run({ id, organization_id, attempt, payload: { sleep_ms = 0, permanent = false, fail_times = permanent ? FAIL_TIMES_MAX : 0, marker }, signal }) {
    if (sleep_ms > 0) await pause(sleep_ms, undefined, { signal })
    if (attempt <= fail_times) {
      const message = `asked to fail attempt ${attempt} of ${fail_times}`
      throw permanent ? new PermanentFailure(message) : new Error(message)
    }
    if (marker === undefined) return { kind: 'succeed' }
    return { kind: 'succeed', result: { attempt, marker }, writes: (tx) => insertProbeEffect(tx, { job_id: id, attempt, marker, organization_id }) }
  },
}
