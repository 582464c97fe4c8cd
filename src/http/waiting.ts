import { z } from 'zod'
import { allowedBy, nextTokenMs } from '#db/job-limits.ts'
import type { QueueLimits } from '#db/job-limits.ts'
import { COUNTED_MAX } from '#db/job-waits.ts'
import type { JobWait } from '#db/job-waits.ts'

/** Why a job is not done yet. What keeps it from being claimed comes first; `behind` and `fairness` alone mean that only its turn is missing. */
const REASONS = ['not_due', 'waiting_for_jobs', 'paused', 'no_worker', 'queue_limit', 'rate', 'key_limit', 'behind', 'fairness', 'in_hand'] as const

export const waitingSchema = z
  .object({
    reason: z.enum(REASONS),
    detail: z.string().describe('The reason in words'),
    facts: z.record(z.string(), z.unknown()).describe('What the words were made of: until, job_ids, held, limit, seconds, jobs, organizations, worker, since'),
  })
  .meta({ id: 'WaitingReason' })
export type WaitingReason = z.infer<typeof waitingSchema>

/** Why a job waits, by what CLAIM itself asks; empty where it has ended. Pure. */
export function waitingBecause(wait: JobWait): WaitingReason[] {
  const { status, locked_by, locked_at } = wait
  if (locked_by !== null) {
    const since = locked_at?.toISOString() ?? null
    return [{ reason: 'in_hand', detail: `worker ${locked_by} holds it since ${since}`, facts: { worker: locked_by, since } }]
  }
  if (status !== 'queued' && status !== 'retried') return []
  return [...ownReasons(wait), ...queueReasons(wait), ...keyReasons(wait), ...turnReasons(wait)]
}

function ownReasons({ due_at, blocked_by, dependencies }: JobWait): WaitingReason[] {
  const until = due_at?.toISOString()
  return [
    ...(until ? [{ reason: 'not_due' as const, detail: `it is not due before ${until}`, facts: { until } }] : []),
    ...(blocked_by > 0
      ? [
          {
            reason: 'waiting_for_jobs' as const,
            detail: `it waits for ${blocked_by} other job${blocked_by === 1 ? '' : 's'}: ${dependencies.join(', ')}`,
            facts: { job_ids: dependencies },
          },
        ]
      : []),
  ]
}

function queueReasons({ paused, without_worker, limits }: JobWait): WaitingReason[] {
  return [
    ...(paused ? [{ reason: 'paused' as const, detail: 'its queue is paused', facts: {} }] : []),
    ...(without_worker ? [{ reason: 'no_worker' as const, detail: 'no active worker serves its queue', facts: {} }] : []),
    ...(limits && limits.concurrency !== null && allowedBy({ ...limits, rate_limit: null }, 1) === 0
      ? [
          {
            reason: 'queue_limit' as const,
            detail: `its queue holds ${limits.held} of at most ${limits.concurrency} jobs`,
            facts: { held: limits.held, limit: limits.concurrency },
          },
        ]
      : []),
    ...rateReasons(limits),
  ]
}

function rateReasons(limits: QueueLimits | null): WaitingReason[] {
  const ms = limits && nextTokenMs(limits)
  if (ms === null) return []
  const seconds = ms / 1_000
  return [{ reason: 'rate', detail: `its queue's rate lets the next job through in ${seconds.toFixed(1)} s`, facts: { seconds } }]
}

function keyReasons({ limit_key, limit_max, key_held }: JobWait): WaitingReason[] {
  if (limit_key === null || limit_max === null || key_held < limit_max) return []
  return [{ reason: 'key_limit', detail: `${key_held} of at most ${limit_max} jobs with its limit key are held`, facts: { held: key_held, limit: limit_max } }]
}

/** It stands in its lane only when it waits for no other job and is due. */
function turnReasons({ due_at, blocked_by, before, sharing }: JobWait): WaitingReason[] {
  if (due_at || blocked_by > 0) return []
  const jobs = before === 0 ? 'it is the next of its lane' : `${before}${before >= COUNTED_MAX ? ' or more' : ''} jobs of its lane go before it`
  const behind: WaitingReason = { reason: 'behind', detail: jobs, facts: { jobs: before, organizations: sharing } }
  if (sharing === 0) return [behind]
  const others = `${sharing} other organisation${sharing === 1 ? ' that has' : 's that have'} due jobs`
  return [behind, { reason: 'fairness', detail: `its queue is shared evenly with ${others}`, facts: { organizations: sharing } }]
}
