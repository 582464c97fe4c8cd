import assert from 'node:assert/strict'
import { test } from 'node:test'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { newJob } from '#jobs/job-type.ts'
import { probe } from '#jobs/probe.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker } from '../support/engine.ts'
import { assertAllOnce, countOf, startProcess } from './support.ts'

const SHIFTED_CLOCK = new URL('./shifted-clock.ts', import.meta.url).href
const HOUR_MS = 3_600_000
const DELAY_MS = 1_200
/** A worker that went by its own clock would claim a delayed job an hour late, or early. */
const LATE_MS = HOUR_MS / 2

for (const [name, shift] of [
  ['an hour ahead', HOUR_MS],
  ['an hour behind', -HOUR_MS],
] as const) {
  const database = await testDatabase()

  test(`a worker whose clock is ${name} claims nothing early, loses nothing, and is not taken for dead`, async (t) => {
    // It works on nothing here, but would declare the other one lost if it could, and would be declared lost by it.
    const onlooker = await testWorker(database, { queues: ['nothing'] })
    const shifted = await startProcess(database, { env: { SHIFT_CLOCK_MS: String(shift), WORKER_LOST_MS: '30000' }, imports: [SHIFTED_CLOCK] })
    t.after(() => Promise.all([onlooker.drain(), shifted.end()]))
    const delayed = await enqueueJobs(
      database.system,
      Array.from({ length: 20 }, (_, n) => newJob(probe, null, { marker: 'delayed', fail_times: n % 2 }, { delay_ms: DELAY_MS })),
    )
    const ids = [...(await enqueueProbes(database, 60, { marker: 'clock', sleep_ms: 5 })), ...delayed.map((id) => id!)]
    await until(async () => (await countOf(database, 'done')) === ids.length, 'all jobs are done')
    await assertAllOnce(database, ids)

    const first = await database.owner<{ late_ms: number; worker: number }>(
      `select extract(epoch from claim.at - job.created_at)::float8 * 1000 - $2 as late_ms, claim.worker
         from job_queue job join job_events claim on claim.job_id = job.id and claim.seq = 2 where job.id = any($1)`,
      [delayed, DELAY_MS],
    )
    assert.equal(first.length, delayed.length)
    for (const { late_ms, worker } of first) {
      assert.ok(late_ms >= 0 && late_ms < LATE_MS, `a delayed job was claimed ${late_ms} ms after its time`)
      assert.equal(worker, shifted.worker)
    }
    const early = await database.owner(
      `select job.id from job_queue job join job_events claim on claim.job_id = job.id and claim.event = 'CLAIM' and claim.attempt = job.attempt where claim.at < job.run_after`,
    )
    assert.deepEqual(early, [], 'what was retried waited for its time as well')
    assert.deepEqual(await database.owner(`select distinct status from workers`), [{ status: 'active' }])
    assert.deepEqual(await database.owner(`select job_id from job_events where at not between now() - interval '30 minutes' and now()`), [])
  })
}
