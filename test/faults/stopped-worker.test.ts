import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker } from '../support/engine.ts'
import { assertAllOnce, countOf, startProcess } from './support.ts'

const database = await testDatabase()

test('a worker that is stopped beyond its lease and then goes on: others do its jobs, its late writes are refused, it registers anew', async (t) => {
  const ids = await enqueueProbes(database, 60, { sleep_ms: 1_500, marker: 'stopped' })
  const victim = await startProcess(database)
  t.after(() => victim.end())
  await until(async () => (await countOf(database, 'running')) >= 10, 'it is in the middle of it')
  victim.child.kill('SIGSTOP')

  const other = await testWorker(database)
  await until(async () => (await countOf(database, 'done')) === ids.length, 'the other worker has done everything')
  const lost = await database.owner<{ job_id: number }>(`select job_id::int from job_events where event = 'LOSE' and worker = $1`, [victim.worker])
  assert.ok(lost.length >= 10, 'what the stopped one held was taken from it')

  victim.child.kill('SIGCONT')
  const rows = () => database.owner<{ id: number; status: string }>('select id, status from workers where pid = $1 order by id', [victim.child.pid])
  await until(async () => (await rows()).length === 2, 'it registers anew')
  assert.deepEqual(
    (await rows()).map(({ id, status }) => [id === victim.worker, status]),
    [
      [true, 'lost'],
      [false, 'active'],
    ],
  )

  // It may be used again.
  await other.drain()
  const more = await enqueueProbes(database, 20, { marker: 'afterwards' })
  await until(async () => (await countOf(database, 'done')) === ids.length + more.length, 'it works on under its new number')
  await assertAllOnce(database, [...ids, ...more])
  const late = await database.owner(
    `select late.* from job_events late join job_events lose on lose.job_id = late.job_id and lose.event = 'LOSE' and lose.worker = late.worker and late.seq > lose.seq`,
  )
  assert.deepEqual(late, [], 'under its old number nothing was written after the loss')
})
