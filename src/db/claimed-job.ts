import { z } from 'zod'

/** What the engine needs of a claimed job; narrow, because it is read tens of thousands of times a second. */
const claimedJob = z.object({
  id: z.number(),
  organization_id: z.string().nullable(),
  job_type: z.string(),
  version: z.number(),
  attempt: z.number(),
  max_attempts: z.number(),
  last_error: z.string().nullable(),
  payload: z.unknown(),
})
export interface ClaimedJob extends z.infer<typeof claimedJob> {
  was: 'queued' | 'retried'
  /** By which its trace goes on, where it is traced. */
  traceparent?: string | undefined
}

const place = z.object({
  /** Which of the asked lanes it came from, counted from 1. */
  lane: z.number(),
  /** Microseconds since 1970 at which it was due; exact. */
  due_us: z.number(),
  wait_ms: z.number(),
  was: z.enum(['queued', 'retried']),
})
/** A job as a claim gives it. */
export const claimedRow = claimedJob.extend(place.shape)
export type ClaimedRow = z.infer<typeof claimedRow>
