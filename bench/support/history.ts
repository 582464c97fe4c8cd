import { withOwner } from './database.ts'

/** Jobs a statement: a transaction of bearable size. */
const CHUNK = 250_000
/** ENQUEUE, two attempts that failed, one that succeeded: the log of each made job, by the machine's rules. */
export const EVENTS_PER_JOB = 10

/**
 * Finished jobs with their logs, written behind the machine's back (triggers off, as only the owner may). All events are
 * of today, so they stand in the very partition into which the engine writes.
 */
export async function fillHistory(url: string, jobs: number, say: (line: string) => void): Promise<void> {
  await withOwner(url, async (client) => {
    await client.query('set session_replication_role = replica')
    for (let made = 0; made < jobs; made += CHUNK) {
      const count = Math.min(CHUNK, jobs - made)
      await client.query(
        `with finished as (
           insert into job_queue (job_type, queue, status, version, attempt, max_attempts, payload, finished_at)
           select 'NOOP', 'default', 'done', ${EVENTS_PER_JOB}, 3, 25, jsonb_build_object('id', n), now() from generate_series(1, $1::int) as n
           returning id
         )
         insert into job_events (job_id, seq, event, from_state, to_state, attempt, worker)
         select id, seq, event::job_event, from_state::job_status, to_state::job_status, attempt, worker
           from finished cross join (values
             (1, 'ENQUEUE', null, 'queued', 0, null),
             (2, 'CLAIM', 'queued', 'claimed', 1, 1), (3, 'START', 'claimed', 'running', 1, 1), (4, 'FAIL', 'running', 'retried', 1, 1),
             (5, 'CLAIM', 'retried', 'claimed', 2, 1), (6, 'START', 'claimed', 'running', 2, 1), (7, 'FAIL', 'running', 'retried', 2, 1),
             (8, 'CLAIM', 'retried', 'claimed', 3, 1), (9, 'START', 'claimed', 'running', 3, 1), (10, 'SUCCEED', 'running', 'done', 3, 1)
           ) as step (seq, event, from_state, to_state, attempt, worker)`,
        [count],
      )
      say(`made ${made + count} finished jobs with ${(made + count) * EVENTS_PER_JOB} events`)
    }
  })
}
