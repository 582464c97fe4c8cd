import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findBreaches } from '../../bench/chaos/checks.ts'
import type { Breaches } from '../../bench/chaos/checks.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker } from '../support/engine.ts'
import { countOf } from './support.ts'

const database = await testDatabase()
const NO_RESCUES = { jobs: 0, longest_ms: 0, longest_with_server_ms: 0, workers_lost_alive: 0 }
const owner = { query: database.owner, end: async () => {} }

test('the checks of a chaos run find nothing in a sound database, and each damage that is done to it', async (t) => {
  const worker = await testWorker(database)
  const ids = await enqueueProbes(database, 8, { marker: 'check' })
  await until(async () => (await countOf(database, 'done')) === ids.length, 'all jobs are done')
  await worker.drain()
  const [twice, missing, gone, stale, attempts, callback, member, key] = ids as [number, number, number, number, number, number, number, number]
  const breaches = (damage: Partial<Parameters<typeof findBreaches>[1]> = {}): Promise<Breaches> =>
    findBreaches(owner, { enqueued: ids, batches: [], heldMax: 0, rescues: NO_RESCUES, rescueBoundMs: 15_000, ...damage })
  const none = await breaches()
  assert.deepEqual(new Set(Object.values(none)), new Set([0]))

  const damages: [keyof Breaches, string, number[]][] = [
    ['effects_twice', `insert into probe_effects (job_id, attempt, marker) values ($1, 1, 'check')`, [twice]],
    ['effects_missing', 'delete from probe_effects where job_id = $1', [missing]],
    ['lost', 'delete from job_queue where id = $1', [gone]],
    ['stale_writes', `update job_events set worker = worker + 1 where job_id = $1 and event = 'SUCCEED'`, [stale]],
    ['attempts_above_bound', 'update job_events set attempt = 99 where job_id = $1 and seq = 2', [attempts]],
    ['leftovers', `insert into job_unique (tenant, job_type, unique_key, job_id) values (gen_random_uuid(), 'PROBE', 'key', $1)`, [key]],
  ]
  for (const [breach, statement, values] of damages) {
    await t.test(breach, async () => {
      await database.owner(statement, values)
      assert.equal((await breaches())[breach], 1)
    })
  }
  assert.ok((await breaches()).job_log_violations > 0)
  assert.equal((await breaches({ heldMax: 4 })).limits_exceeded, 1)
  assert.equal((await breaches({ rescues: { ...NO_RESCUES, longest_with_server_ms: 15_001 } })).rescues_too_late, 1)
  await database.owner(`update job_events set at = at + interval '1 hour' where job_id = $1 and event = 'SUCCEED'`, [member])
  assert.equal((await breaches({ batches: [{ callback, jobs: [member] }] })).callbacks_early, 1)
})
