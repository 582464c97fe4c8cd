import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectOwner, testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker } from '../support/engine.ts'
import { assertAllOnce, countOf } from './support.ts'

const ROUNDS = 8

const database = await testDatabase()

test('all connections are terminated in the middle of the work, again and again: everything is done once', async (t) => {
  const ids = await enqueueProbes(database, 400, { sleep_ms: 10, marker: 'terminated' })
  const worker = await testWorker(database, {}, { WORKER_LOST_MS: '5000' })
  t.after(() => worker.drain())
  const executioner = connectOwner(database.ownerUrl)
  t.after(() => executioner.end())
  let terminated = 0
  for (let round = 1; round <= ROUNDS; round += 1) {
    await until(async () => (await countOf(database, 'done')) >= (round / (ROUNDS + 1)) * ids.length, 'some more jobs are done')
    const dead = await executioner.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and (usename in ('atum_app', 'atum_system') or application_name = 'atum-desk listener')`,
    )
    terminated += dead.length
  }
  assert.ok(terminated >= 2 * ROUNDS, `connections were in use: ${terminated}`)
  await until(async () => (await countOf(database, 'done')) === ids.length, 'all jobs are done')
  await assertAllOnce(database, ids)
  assert.deepEqual(await database.owner('select status from workers'), [{ status: 'active' }], 'the worker was not taken for dead over it')
})
