import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import pg from 'pg'
import type { Worker } from '#actors/worker.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker } from '../support/engine.ts'

/** Longer than a test waits: nothing here may be owed to a poll. */
const POLL_MS = '60000'
const PATIENCE_MS = 40_000

const database = await testDatabase()
let worker: Worker | null = null
afterEach(async () => {
  await worker?.drain()
  worker = null
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})

const begin = async (settings: Record<string, string> = {}, on = database): Promise<void> => {
  worker = await testWorker(on, { queues: ['default'] }, { POLL_MS, ...settings })
}
const stateOf = (id: string): string | undefined =>
  (worker!.tree() as { children: { id: string; state: string }[] }).children.find((node) => node.id === id)?.state
const doneOf = async (ids: readonly number[]): Promise<number> =>
  (await database.owner(`select from job_queue where status = 'done' and id = any($1)`, [ids])).length

test('jobs of a bundle that somebody had locked when it was claimed are claimed as soon as it is free, not by the next poll', async (t) => {
  const ids = await enqueueProbes(database, 40)
  const other = new pg.Client({ connectionString: database.ownerUrl })
  await other.connect()
  t.after(() => other.end())
  await other.query('begin')
  await other.query('select from job_bundles for update')
  await begin()
  await until(() => stateOf('queue:default') === 'waiting', 'the worker has asked for it in vain', PATIENCE_MS)
  await other.query('commit')
  await until(async () => (await doneOf(ids)) === ids.length, 'all of them are done', PATIENCE_MS)
})

test('jobs of a bundle whose first ones moved on by a hand that knows no bundles do not wait for a poll', async () => {
  const ids = await enqueueProbes(database, 60)
  const gone = ids.slice(0, 30)
  await database.owner(
    `with gone as (
       update job_queue set status = 'cancelled', version = 2, finished_at = now() where id = any($1) returning id
     )
     insert into job_events (job_id, seq, event, from_state, to_state, attempt) select id, 2, 'CANCEL', 'queued', 'cancelled', 0 from gone`,
    [gone],
  )
  await begin({ WORKER_CONCURRENCY: '4' })
  await until(async () => (await doneOf(ids)) === ids.length - gone.length, 'the others are done', PATIENCE_MS)
})

test('bundles of a paused queue are not claimed in vain, and are claimed when it is resumed', async () => {
  let claims = 0
  const any: typeof database.system.any = async (query) => {
    if (query.sql.includes('insert into job_leases')) claims += 1
    return database.system.any(query)
  }
  const pause = (paused: boolean) => database.owner(`update queues set paused_at = case when $1 then now() end where name = 'default'`, [paused])
  await pause(true)
  const ids = await enqueueProbes(database, 40)
  await begin({}, { ...database, system: { ...database.system, any } })
  await until(() => stateOf('queue:default') === 'waiting', 'the worker has looked', PATIENCE_MS)
  assert.equal(claims, 0)
  await pause(false)
  // Told again and again: it may not listen yet.
  const resumed = async (): Promise<boolean> => {
    await database.owner(`select pg_notify('atum_jobs', '{"queues":["default"]}')`)
    return (await doneOf(ids)) === ids.length
  }
  await until(resumed, 'all of them are done', PATIENCE_MS)
})
