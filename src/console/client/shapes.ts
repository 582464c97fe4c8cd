import type { Chart } from '#machines/chart.ts'
import type { JobState } from '#machines/job.ts'

/** What the API answers, as far as the console reads it. Instants are ISO 8601 texts. */

export interface Page<Item> {
  items: Item[]
  next_cursor?: string | null
}

/** A machine as it is defined, and how many things stand in each of its states now. */
export interface Machine extends Chart {
  counts?: Record<string, number>
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
}

export interface JobDetail extends Job {
  allowed_events: string[]
  waiting_because: unknown
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
  actor_tree: Actor | Record<string, never> | null
}

export interface Queue {
  name: string
  paused: boolean
  concurrency: number
  /** Jobs by state; a state without any is missing. */
  counts: Partial<Record<JobState, number>>
  oldest_due_seconds: number | null
}

export interface Me {
  email: string
  role: string
  organization?: { name?: string; slug?: string } | null
}

export interface Health {
  well: boolean
  facts: Record<string, unknown>
}
