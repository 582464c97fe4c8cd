import type { z } from 'zod'
import type { CommonQueryMethods, DatabaseTransactionConnection } from '#db/pool.ts'
import type { NewJob } from '#db/job-enqueue.ts'

/** How long a failed attempt waits before the next: `base_ms * factor^(attempt - 1)`, at most `max_ms`, spread by ± `jitter`. */
export interface BackoffPolicy {
  base_ms: number
  factor: number
  max_ms: number
  /** Share of the delay by which it may be shorter or longer, 0 to 1. */
  jitter: number
}

/** What a handler is given. */
export interface RunningJob<Payload> {
  id: number
  /** Null for a job of the installation. */
  organization_id: string | null
  attempt: number
  payload: Payload
  /** Aborted when the job is cancelled, times out, loses its lease, or its worker drains. */
  signal: AbortSignal
  /** Reads in a short transaction that is bound to the job's organisation (to none for a job of the installation). */
  read<T>(work: (db: CommonQueryMethods) => Promise<T>): Promise<T>
  /** Says how far the work is: a share from 0 to 1 and a few words. Cheap to call often: the newest is written twice a second. */
  progress(share: number, note?: string): void
}

/**
 * What a handler answers. Its `writes` run in the transaction of SUCCEED, bound to the job's organisation: they commit
 * together with the job, fenced by its lease, or not at all. A handler writes nowhere else.
 */
export type Outcome =
  | { kind: 'succeed'; result?: unknown; writes?: (tx: DatabaseTransactionConnection) => Promise<void> }
  | { kind: 'snooze'; delay_ms: number }

/** A kind of job: its payload, its retry policy and its handler. */
export interface JobType<Payload = unknown> {
  name: string
  queue: string
  payload: z.ZodType<Payload>
  max_attempts: number
  timeout_ms: number
  backoff: BackoffPolicy
  /**
   * `each`: START is in the database before the handler begins, for a handler that reaches outside (mail, webhooks).
   * `batch`, the default: the handler begins at once, and START is recorded with the next statement, some milliseconds later.
   */
  durable?: 'each' | 'batch'
  /** `organization`: only with one; `installation`: only without; `either`. */
  belongs_to: 'organization' | 'installation' | 'either'
  run(job: RunningJob<Payload>): Promise<Outcome>
}

/** Thrown by a handler for what no further attempt can mend: the job goes to `failed` at once. */
export class PermanentFailure extends Error {
  override name = 'PermanentFailure'
}

export const DEFAULT_BACKOFF: BackoffPolicy = { base_ms: 1_000, factor: 3, max_ms: 600_000, jitter: 0.2 }

/** Milliseconds to wait after the given attempt. `chance` is a number from 0 to 1, so that a test can repeat it. */
export function backoffMs(policy: BackoffPolicy, attempt: number, chance: number): number {
  const delay = Math.min(policy.max_ms, policy.base_ms * policy.factor ** Math.max(0, attempt - 1))
  return Math.round(delay * (1 + policy.jitter * (2 * chance - 1)))
}

/** Checks a payload by its type and makes the row to enqueue. @throws z.ZodError */
export function newJob<Payload>(
  type: JobType<Payload>,
  organizationId: string | null,
  payload: Payload,
  options: Partial<Pick<NewJob, 'priority' | 'delay_ms' | 'unique_key' | 'unique_for_ms' | 'max_attempts'>> = {},
): NewJob {
  return {
    organization_id: organizationId,
    job_type: type.name,
    queue: type.queue,
    max_attempts: type.max_attempts,
    payload: type.payload.parse(payload),
    ...options,
  }
}
