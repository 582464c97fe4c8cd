import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settleJobCounts } from '#db/job-counts.ts'
import { testDatabase } from '../support/database.ts'
import { enqueueProbes } from '../support/engine.ts'
import { run } from './program.ts'

const database = await testDatabase()
const here = { DATABASE_URL: database.ownerUrl }
await database.owner(`insert into queues (name) values ('default')`)

async function json<Body>(...args: string[]): Promise<Body> {
  const { code, stdout, stderr } = await run([...args, '--json'], here)
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as Body
}

test('a queue is limited and let go again from the command line, with an audit row that names the account', async () => {
  const set = await json('queues', 'limit', 'default', '--concurrency', '4', '--rate', '100', '--per', '60')
  assert.deepEqual(set, { name: 'default', concurrency: 4, rate_limit: 100, rate_period_seconds: 60, max_depth: 1_000_000 })
  const { items } = await json<{ items: Record<string, unknown>[] }>('queues', 'list')
  assert.deepEqual([items[0]!['concurrency'], items[0]!['held'], items[0]!['rate_tokens']], [4, 0, 100])
  const open = await json<Record<string, unknown>>('queues', 'limit', 'default', '--concurrency', 'none', '--rate', 'none', '--max-depth', '7')
  assert.deepEqual(open, { name: 'default', concurrency: null, rate_limit: null, rate_period_seconds: null, max_depth: 7 })
  const [audit] = await database.owner(`select details from audit_log where action = 'queue.limit' order by id limit 1`)
  assert.equal((audit!['details'] as { by: string }).by, 'command line')
})

test('limits that are none, and queues that are not there, are refused', async () => {
  for (const args of [['default'], ['default', '--concurrency', '0'], ['default', '--rate', 'fast'], ['nowhere', '--concurrency', '1']]) {
    const { code, stderr } = await run(['queues', 'limit', ...args], here)
    assert.ok(code !== 0 && stderr.length > 0, args.join(' '))
  }
})

test('a recount finds what was written behind the counts, and mends it', async () => {
  await enqueueProbes(database, 3)
  await database.owner(`insert into job_counts values ('00000000-0000-0000-0000-000000000000', 'PROBE', 'default', 'done', 2)`)
  const found = await json<{ differences: object[] }>('jobs', 'recount')
  assert.deepEqual(found.differences, [{ job_type: 'PROBE', queue: 'default', status: 'done', kept: 2, counted: 0 }])
  await settleJobCounts(database.system, -1)
  assert.deepEqual((await json<{ differences: object[] }>('jobs', 'recount')).differences, [])
})
