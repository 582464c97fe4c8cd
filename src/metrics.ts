import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { TalliedHistogram } from './tallied-histogram.ts'

/** What this process exports. Each process has its own registry; a scrape of the API reads the API's. */
export const registry = new Registry()
const registers = [registry]
const drains = new Set<() => void>()

/** Has `drain` called before the counters of jobs are read: what is counted tens of thousands of times a second is tallied elsewhere, and added then. */
export function beforeReading(drain: () => void): void {
  drains.add(drain)
}

const drainTallies = (): void => {
  for (const drain of drains) drain()
}
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]

/** Every metric by its role. `endpoint` is a route's pattern, never a raw path; labels come from closed lists. */
export const metrics = {
  httpRequests: new Counter({ name: 'atum_http_requests_total', help: 'HTTP requests answered', labelNames: ['method', 'endpoint', 'status'], registers }),
  httpDuration: new Histogram({
    name: 'atum_http_request_duration_seconds',
    help: 'Time from request to answer',
    labelNames: ['method', 'endpoint', 'status'],
    buckets: SECONDS,
    registers,
  }),
  errors: new Counter({
    name: 'atum_errors_total',
    help: 'Faults of the service itself: answers of 500 and above, crashes of actors',
    labelNames: ['error_type', 'endpoint'],
    registers,
  }),
  jobQueueDepth: new Gauge({ name: 'atum_job_queue_depth', help: 'Jobs by type and state', labelNames: ['job_type', 'status'], registers }),
  ragQueueDepth: new Gauge({ name: 'atum_rag_queue_depth', help: 'RAG_INDEX jobs by state', labelNames: ['status'], registers }),
  workerJobs: new Counter({
    name: 'atum_worker_job_total',
    help: 'Attempts that ended in this worker, by the state they led to',
    labelNames: ['worker_name', 'job_type', 'status'],
    registers,
    collect: drainTallies,
  }),
  poolConnections: new Gauge({ name: 'atum_db_pool_connections', help: 'Connections of this process by state', labelNames: ['state'], registers }),
  databaseUp: new Gauge({ name: 'atum_db_up', help: '1 where the last reading reached the database', registers }),
  ollamaUp: new Gauge({
    name: 'atum_ollama_up',
    help: '1 where the language model endpoint answered its last call; 0 where it did not or none is set',
    registers,
  }),
  ollamaInference: new Histogram({
    name: 'atum_ollama_inference_seconds',
    help: 'Time of a call to the language model endpoint',
    labelNames: ['model'],
    buckets: SECONDS,
    registers,
  }),
  llmCalls: new Counter({
    name: 'atum_llm_calls_total',
    help: 'Questions to the language model by what came of them',
    labelNames: ['model', 'outcome'],
    registers,
  }),
  embeddingCalls: new Counter({
    name: 'atum_embedding_calls_total',
    help: 'Calls of the embedding model by what came of them',
    labelNames: ['model', 'outcome'],
    registers,
  }),
  llmTokens: new Counter({
    name: 'atum_llm_tokens_total',
    help: 'Tokens as the language model endpoint counts them',
    labelNames: ['model', 'direction'],
    registers,
  }),
  llmCost: new Counter({ name: 'atum_llm_cost_total', help: 'Cost by the prices that are set', labelNames: ['model'], registers }),
  contextMissing: new Counter({
    name: 'atum_org_context_missing_total',
    help: 'Requests that needed an organisation and had none',
    labelNames: ['endpoint'],
    registers,
  }),
  rlsDenied: new Counter({ name: 'atum_rls_denied_total', help: 'Writes that row-level security refused', labelNames: ['table'], registers }),
  transitions: new Counter({
    name: 'atum_job_transitions_total',
    help: 'Transitions that this process recorded',
    labelNames: ['job_type', 'event', 'from', 'to'],
    registers,
    collect: drainTallies,
  }),
  jobWait: new TalliedHistogram({ name: 'atum_job_wait_seconds', help: 'Time from due to claim', labelName: 'job_type', buckets: SECONDS }, registry),
  jobRun: new TalliedHistogram({ name: 'atum_job_run_seconds', help: 'Time of an attempt in its handler', labelName: 'job_type', buckets: SECONDS }, registry),
  oldestDue: new Gauge({ name: 'atum_job_oldest_due_seconds', help: 'Age of the oldest due job that no worker holds', labelNames: ['queue'], registers }),
  rescued: new Counter({ name: 'atum_jobs_rescued_total', help: 'Jobs taken back from lost workers', registers }),
  leasesLost: new Counter({
    name: 'atum_job_leases_lost_total',
    help: 'Outcomes that were refused because the job had moved on',
    labelNames: ['job_type'],
    registers,
  }),
  claimBatch: new Histogram({
    name: 'atum_claim_batch_size',
    help: 'Jobs that one claim returned',
    buckets: [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    registers,
  }),
  recorderFlush: new Histogram({ name: 'atum_recorder_flush_seconds', help: 'Time of one recording statement', buckets: SECONDS, registers }),
  actorRestarts: new Counter({ name: 'atum_actor_restarts_total', help: 'Actors that their supervisor started again', labelNames: ['actor'], registers }),
  slaBreaches: new Counter({ name: 'atum_sla_breaches_total', help: 'SLA breaches recorded', labelNames: ['clock'], registers }),
  slaLateness: new Histogram({ name: 'atum_sla_check_lateness_seconds', help: 'Time from an SLA check that was due to its run', buckets: SECONDS, registers }),
  aiConfidence: new Histogram({
    name: 'atum_ai_confidence',
    help: 'Confidence of suggestions by field',
    labelNames: ['field'],
    buckets: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1],
    registers,
  }),
  aiDecisions: new Counter({ name: 'atum_ai_decisions_total', help: 'What agents did with suggestions', labelNames: ['field', 'decision'], registers }),
  webhookDeliveries: new Counter({
    name: 'atum_webhook_deliveries_total',
    help: 'Deliveries to webhooks that ended, by how',
    labelNames: ['outcome'],
    registers,
  }),
  eventStreams: new Gauge({ name: 'atum_event_streams', help: 'Streams of events that are open', registers }),
  aiScored: new Counter({
    name: 'atum_ai_scored_total',
    help: 'Predictions of solved tickets, by whether they were right',
    labelNames: ['field', 'result'],
    registers,
  }),
  eventLoopLag: new Gauge({ name: 'atum_event_loop_lag_seconds', help: '99th percentile of the event loop delay since the last reading', registers }),
  residentMemory: new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of the process that is in RAM',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  }),
  cpu: new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the process',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      this.reset()
      this.inc((user + system) / 1e6)
    },
  }),
  startedAt: new Gauge({ name: 'process_start_time_seconds', help: 'When the process started, as a unix time', registers }),
} as const

metrics.startedAt.set(performance.timeOrigin / 1_000)
