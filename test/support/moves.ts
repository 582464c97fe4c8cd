import type { ClaimedRow } from '#db/job-claims.ts'
import type { Move } from '#db/job-records.ts'

/** START and SUCCEED of a job that the worker holds. */
export const successOf = ({ id, version }: ClaimedRow, worker: number): Move => ({
  id,
  version,
  standing: { state: 'done', context: { attempt: 1, max_attempts: 3, delay_ms: 0, worker: null, last_error: null } },
  transitions: [
    { event: 'START', from: 'claimed', to: 'running', attempt: 1, worker },
    { event: 'SUCCEED', from: 'running', to: 'done', attempt: 1, worker },
  ],
})

/** START and FAIL of a job that the worker holds; it is tried again a second later. */
export const failureOf = ({ id, version }: ClaimedRow, worker: number): Move => ({
  id,
  version,
  standing: { state: 'retried', context: { attempt: 1, max_attempts: 3, delay_ms: 1_000, worker: null, last_error: 'Error: no' } },
  transitions: [
    { event: 'START', from: 'claimed', to: 'running', attempt: 1, worker },
    { event: 'FAIL', from: 'running', to: 'retried', attempt: 1, worker },
  ],
})
