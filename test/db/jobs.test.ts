import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { recordMoves } from '#db/job-records.ts'
import { claim } from '../support/claims.ts'
import { testDatabase } from '../support/database.ts'

const database = await testDatabase()

test('a job is enqueued, claimed and done, with its log', async () => {
  const db = database.system
  const [worker] = await database.owner<{ id: number }>(
    `insert into workers (name, host, pid, version, queues) values ('w', 'h', 1, '0', '{default}') returning id`,
  )
  const [id] = await enqueueJobs(db, [{ organization_id: null, job_type: 'PROBE', queue: 'default', max_attempts: 3, payload: { a: 1 } }])
  const claimed = await claim(db, { queue: 'default', worker: worker!.id, limit: 10 })
  assert.deepEqual(
    claimed.map((job) => job.id),
    [id],
  )
  const moved = await recordMoves(db, [
    {
      id: id!,
      version: claimed[0]!.version,
      standing: { state: 'done', context: { attempt: 1, max_attempts: 3, delay_ms: 0, worker: null, last_error: null } },
      transitions: [
        { event: 'START', from: 'claimed', to: 'running', attempt: 1, worker: worker!.id, decided_at: performance.now() - 3 },
        { event: 'SUCCEED', from: 'running', to: 'done', attempt: 1, worker: worker!.id },
      ],
      result: { fine: true },
    },
  ])
  assert.deepEqual([...moved], [id])
  const events = await database.owner('select seq, event, from_state, to_state, attempt from job_events where job_id = $1 order by seq', [id])
  assert.deepEqual(
    events.map((row) => row['event']),
    ['ENQUEUE', 'CLAIM', 'START', 'SUCCEED'],
  )
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})
