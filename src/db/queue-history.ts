import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const bucket = z.object({
  queue: z.string(),
  at: z.date(),
  enqueued: z.number(),
  succeeded: z.number(),
  failed: z.number(),
  wait_p95_ms: z.number().nullable(),
  run_p95_ms: z.number().nullable(),
})
export type QueueBucket = z.infer<typeof bucket>

/**
 * What each queue did in the last `seconds`, in stretches of `step` seconds. One job in `every` is looked at; its counts
 * stand for `every`. A wait is from when a job stood in its queue to its claim, a run from START to what ended it.
 */
export async function readQueueHistory(
  db: CommonQueryMethods,
  { seconds, step, every }: { seconds: number; step: number; every: number },
): Promise<readonly QueueBucket[]> {
  return db.any(sql.type(bucket)`
    with recent as (
      select job_id, event, from_state, to_state, at, lag(at) over (partition by job_id order by seq) as entered
        from job_events where at > now() - make_interval(secs => ${seconds}) and job_id % ${every} = 0
    ), timed as (
      select queue, recent.event, from_state, to_state, date_bin(make_interval(secs => ${step}), at, 'epoch') as bucket,
             case when entered is not null then greatest(0, extract(epoch from at - entered))::float8 * 1000 end as ms
        from recent join job_queue job on job.id = job_id
    )
    select queue, bucket as at,
           count(*) filter (where event = 'ENQUEUE') * ${every}::int8 as enqueued,
           count(*) filter (where event = 'SUCCEED') * ${every}::int8 as succeeded,
           count(*) filter (where to_state = 'failed') * ${every}::int8 as failed,
           percentile_cont(0.95) within group (order by ms) filter (where event = 'CLAIM' and from_state = 'queued') as wait_p95_ms,
           percentile_cont(0.95) within group (order by ms) filter (where from_state = 'running') as run_p95_ms
      from timed group by queue, bucket order by queue, bucket`)
}
