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

/** Filters of the jobs page under a name. */
export interface JobView {
  id: string
  owner_id: string
  name: string
  is_shared: boolean
  /** As it stands in the address bar. */
  query: string
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

/** How much moves through a machine, over a window that ends now. */
export interface Flow {
  window_seconds: number
  sampled_every: number
  states: { state: string; entered: number; left: number; p50_ms: number | null; p95_ms: number | null }[]
  edges: FlowEdge[]
}

export interface FlowEdge {
  event: string
  from: string | null
  to: string
  count: number
  per_second: number
  p50_ms: number | null
  p95_ms: number | null
}

/** The ways that jobs took from their beginning to their end. */
export interface MinedPaths {
  window_seconds: number
  sampled_every: number
  jobs: number
  items: { events: string[]; jobs: number; share: number; p50_ms: number; p95_ms: number; example_jobs: number[] }[]
}

/** What stands in a state of a machine that is not the jobs', or took one of its edges. */
export interface MachineThing {
  ticket_id: string | null
  ticket_number: number | null
  subject: string | null
  worker: number | null
  /** Which of its kind: a clock, a field, a queue. */
  detail: string | null
  /** Where moves are counted and not listed. */
  count: number | null
  at: string
}

/** A job that took an edge. */
export interface Mover {
  job_id: number
  seq: number
  at: string
  attempt: number
  worker: number | null
  job_type: string
  status: string
  last_error: string | null
}

/** An actor and the actors that it supervises. */
export interface Actor {
  id: string
  state?: string
  restarts?: number
  restart_budget?: { crashes: number; withinMs: number }
  crashes?: number
  crash_budget?: { crashes: number; withinMs: number }
  jobs?: number
  window?: number
  children?: Actor[]
}

export interface Worker {
  id: number
  name: string
  host: string
  pid: number
  version: string
  queues: string[]
  running_jobs: number
  status: string
  started_at: string
  heartbeat_at: string
  drain_requested_at: string | null
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
  counts: Record<string, number>
  held: number | null
  rate_limit: number | null
  rate_period_seconds: number | null
  rate_tokens: number | null
  max_depth: number
}

/** What the queues did lately, stretch by stretch; one in which nothing happened has no point. */
export interface QueueHistory {
  window_seconds: number
  sampled_every: number
  step_seconds: number
  queues: { name: string; points: QueuePoint[] }[]
}

export interface QueuePoint {
  at: string
  enqueued: number
  succeeded: number
  failed: number
  wait_p95_ms: number | null
  run_p95_ms: number | null
}

export interface Schedule {
  name: string
  job_type: string
  cron: string
  per_organization: boolean
  is_active: boolean
  last_slot: string | null
  next_at: string | null
}

export interface Me {
  id: string
  full_name: string
  email: string
  role: string
  organization?: { name?: string; slug?: string } | null
}

export interface Health {
  status: 'ok' | 'degraded' | 'unhealthy'
  workers_alive: number | null
  checks: {
    database: { status: string; latency_ms: number | null }
    migrations: { status: string; applied: number | null; pending: string[] }
    workers: { status: string; alive: number | null }
    oldest_due_seconds: number | null
    dependencies?: { name: string; circuit: string; last_ok_at: string | null; last_failure_at: string | null }[]
  }
}

/** What failed for good, by the class of its error. */
export interface DeadLetters {
  error_class: string
  job_type: string
  jobs: number
  still_failed: number
  newest_at: string
  newest_job: number
  message: string | null
}

export interface DatabaseHealth {
  server: {
    version: string
    started_at: string
    connections: number
    connections_max: number
    is_standby: boolean
    wraparound_share: number
    database_bytes: number
  }
  clock: { skew_ms: number; uncertainty_ms: number }
  horizon: { held_by: string; transactions_old: number | null; seconds_old: number | null }[]
  tables: { name: string; live_rows: number; dead_rows: number; table_bytes: number; index_bytes: number; last_vacuum_at: string | null }[]
  indexes: { name: string; table_name: string; bytes: number; entries: number; bytes_per_entry: number | null; scans: number }[]
  partitions: { days: number; oldest: string | null; newest: string | null; days_ahead: number; stray_rows: boolean }
  conformance: { checked_jobs: number; violations: { job_id: number; seq: number; rule: string }[] }
}

/** A job as its log tells it, up to an event. */
export interface Replay {
  seq: number | null
  event: string | null
  at: string | null
  state: string | null
  attempt: number | null
  mismatch: { seq: number; logged: string; machine: string } | null
}

interface BoardTicket {
  ticket_id: string
  number: number
  subject: string
  status: string
}

export interface SlaBoard {
  window_seconds: number
  due_soon: (BoardTicket & { priority: string; sla_due_at: string; sla_risk_score: number | null })[]
  breaches: (BoardTicket & { clock: string; cycle: number; breached_at: string; noticed_at: string })[]
  lateness: { steps: number; p50_seconds: number | null; p95_seconds: number | null; greatest_seconds: number | null }
}

/** What predictions of a field were worth; a share of nothing is null. */
export interface FieldQuality {
  field: string
  predictions: number
  offered: number
  accepted: number
  edited: number
  rejected: number
  expired: number
  open: number
  acceptance_rate: number | null
  median_seconds_to_decision: number | null
  scored: number
  accuracy: number | null
  calibration_error: number | null
  calibration: { from: number; to: number; count: number; confidence: number; accuracy: number }[]
}

export interface AiQuality {
  fields: FieldQuality[]
  labels: Record<string, number>
  kb_suggestions: { suggested: number; voted: number; helpful_rate: number | null }
  language_model: { calls: number; answered: number; input_tokens: number; output_tokens: number; bytes: number }
  weekly: { week: string; fields: FieldQuality[] }[]
}

/** A text that left for a language model. */
export interface Egress {
  id: number
  ticket_id: string | null
  purpose: string
  endpoint: string
  model: string
  redacted_text: string
  bytes: number
  redactions: Record<string, number>
  outcome: string
  at: string
}
