import { enqueueJobs } from '#db/job-enqueue.ts'
import { newJob } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { settle } from './support/database.ts'
import { openDesk } from './support/desk.ts'
import type { Desk } from './support/desk.ts'
import { EVENTS_PER_JOB, fillHistory } from './support/history.ts'
import { quantile, rounded } from './support/numbers.ts'
import type { Bench, Findings, Suite } from './support/suite.ts'

/** Jobs that wait, besides the finished ones. */
const WAITING_SHARE = 0.1
const WARM_UP = 5
/** A kind of request that is slow is not asked for longer than this. */
const PATIENCE_MS = 15_000

/** What an operator looks at, and what Prometheus does. */
const REQUESTS = [
  ['the newest jobs', '/api/v1/jobs'],
  ['those that wait', '/api/v1/jobs?status=queued'],
  ['those that are done, behind the ones that wait', '/api/v1/jobs?status=done'],
  ['those that failed: there are none', '/api/v1/jobs?status=failed'],
  ['by a text that none has', '/api/v1/jobs?q=nowhere'],
  ['of a type and queue that none has', '/api/v1/jobs?job_type=TRAIN_MODEL&queue=mail'],
  ['of a ticket that has none', '/api/v1/jobs?ticket_id=00000000-0000-4000-8000-000000000000'],
  ['held by a worker that holds none', '/api/v1/jobs?locked_by=1000000'],
  ['machines with their counts', '/api/v1/machines'],
  ['queues with their counts', '/api/v1/queues'],
  ['scrape of the metrics', '/metrics'],
] as const

export const api: Suite = {
  name: 'api',
  measures: 'answers over HTTP to an operator, one after another, with a large job table',
  omits:
    "several clients at a time, and work going on meanwhile. Client and server share one process, which adds the client's share to each time. Counts are kept for a second and metrics for ten, so most answers of those two are kept ones: the greatest shows a fresh one.",
  run,
}

async function run({ server, options, say }: Bench): Promise<Findings> {
  const { history, requests } = options
  const waiting = Math.round(history * WAITING_SHARE)
  const desk = await openDesk(server, 'api', 'operator')
  try {
    await fillHistory(desk.ownerUrl, history, say)
    await enqueueWaiting(desk, waiting, options.batch)
    await settle(desk.ownerUrl)
    const measurements = []
    for (const [name, path] of REQUESTS) {
      const times = await timesOf(desk, path, requests)
      measurements.push({ name, path, times })
      say(`api: ${path} p50 ${rounded(quantile(times, 0.5))} ms`)
    }
    return {
      sizes: { finished: history, events: history * EVENTS_PER_JOB, waiting, requests },
      tables: [
        {
          title: 'Milliseconds to the whole answer',
          columns: ['', 'path', 'requests', 'p50', 'p95', 'greatest'],
          rows: measurements.map(({ name, path, times }) => [name, path, times.length, ...[0.5, 0.95, 1].map((q) => rounded(quantile(times, q)))]),
        },
      ],
      measurements,
    }
  } finally {
    await desk.close()
  }
}

async function enqueueWaiting({ database }: Desk, jobs: number, batch: number): Promise<void> {
  for (let at = 0; at < jobs; at += batch) {
    await enqueueJobs(
      database.system,
      Array.from({ length: Math.min(batch, jobs - at) }, () => newJob(probe, null, {})),
    )
  }
}

async function timesOf(desk: Desk, path: string, requests: number): Promise<number[]> {
  const times: number[] = []
  const end = performance.now() + PATIENCE_MS
  for (let n = -WARM_UP; n < requests && (performance.now() < end || times.length === 0); n += 1) {
    const started = performance.now()
    await desk.ask(path)
    if (n >= 0) times.push(performance.now() - started)
  }
  return times
}
