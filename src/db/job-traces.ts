import { z } from 'zod'
import type { Happened } from '#open-telemetry.ts'
import { tracing } from '#tracing.ts'
import type { NewJob } from './job-enqueue.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const NAMES_MAX = 5

/** The span of an ENQUEUE, of which each attempt of its jobs will be a part; null without tracing. */
export function openEnqueue(jobs: readonly NewJob[]): Happened | null {
  const traces = tracing()
  if (!traces) return null
  const types = [...new Set(jobs.map((job) => job.job_type))]
  return traces.open(`enqueue ${types.slice(0, NAMES_MAX).join(', ')}`, {
    kind: 'producer',
    attributes: { 'messaging.system': 'atum-desk', 'messaging.operation.type': 'send', 'messaging.batch.message_count': jobs.length },
  })
}

/** By which the traces of these jobs go on; those that were enqueued without tracing are absent. */
export async function traceparentsOf(db: CommonQueryMethods, ids: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const rows = await db.any(sql.type(z.object({ id: z.number(), traceparent: z.string() }))`
    select id, traceparent from job_queue where id = any(${sql.array([...ids], 'int8')}) and traceparent is not null`)
  return new Map(rows.map(({ id, traceparent }) => [id, traceparent]))
}
