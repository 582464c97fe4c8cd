import type { Chart } from '#machines/chart.ts'
import type { JobState } from '#machines/job.ts'

/** What the API answers, as far as the console reads it. Instants are ISO 8601 texts. */

export interface Page<Item> {
  items: Item[]
  next_cursor?: string | null
}

/** A machine as it is defined, and how many things stand in each of its states now. */
export interface Machine extends Chart {
  /** Null where they are not counted, or not for the asker to see. */
  counts: Record<string, number> | null
}

export interface Job {
  id: number
  organization_id: string | null
  job_type: string
  queue: string
  status: JobState
  priority: number
  attempt: number
  max_attempts: number
  run_after: string
  locked_by: number | string | null
  payload: unknown
  result: unknown
  last_error: string | null
  created_at: string
  updated_at: string
  finished_at: string | null
  /** A worker was asked to abort it, and has not done so yet. */
  cancel_requested: boolean
}

export interface JobDetail extends Job {
  allowed_events: string[]
  /** Empty where it has ended. */
  waiting_because: { reason: string; detail: string }[]
  progress: unknown
}

export interface JobEvent {
  seq: number
  event: string
  from_state: string | null
  to_state: string
  attempt: number
  worker: number | string | null
  at: string
  details: unknown
}

/** An actor and the actors that it supervises. */
export interface Actor {
  id: string
  state?: string
  restarts?: number
  children?: Actor[]
}

export interface Worker {
  id: number
  name: string
  host: string
  pid: number
  version: string
  status: string
  started_at: string
  heartbeat_at: string
  event_loop_lag_ms: number | null
  /** Null where it is not for the asker to see; empty before the first heartbeat and after the end. */
  actor_tree: Actor | Record<string, never> | null
}

export interface Queue {
  name: string
  paused: boolean
  concurrency: number
  /** Jobs that wait: queued and retried. */
  depth: number
  oldest_due_seconds: number | null
}

export interface Me {
  email: string
  role: string
  organization?: { name?: string; slug?: string } | null
}

export interface Health {
  status: 'ok' | 'degraded' | 'unhealthy'
  workers_alive: number | null
  checks: Record<string, unknown>
}
