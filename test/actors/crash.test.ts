import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { removeEmbedded, startEmbeddedPostgres } from '#db/embedded.ts'
import { allowServiceLogins, serviceUrls } from '#db/logins.ts'
import { migrate } from '#db/migrations.ts'
import { openDatabase } from '#db/pool.ts'
import { connectOwner, testDatabase, until } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { enqueueProbes, testWorker, timeline } from '../support/engine.ts'

const PROCESS = fileURLToPath(new URL('../support/worker-process.ts', import.meta.url))

async function startProcess(database: TestDatabase): Promise<ChildProcess> {
  const child = fork(PROCESS, [database.ownerUrl], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await once(child, 'message')
  return child
}

const countOf = async (database: TestDatabase, status: string): Promise<number> =>
  Number((await database.owner('select count(*)::int as n from job_queue where status = $1', [status]))[0]!['n'])

async function assertAllOnce(database: TestDatabase, ids: readonly number[]): Promise<void> {
  assert.equal(await countOf(database, 'done'), ids.length)
  const effects = await database.owner('select job_id, count(*)::int as n from probe_effects group by job_id')
  assert.equal(effects.length, ids.length, 'every job has left its marker')
  assert.ok(
    effects.every((row) => row['n'] === 1),
    'and none has left it twice',
  )
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
}

test('kill -9 of workers: every job is done, its effect is there once, and the rescued ones show LOSE', async () => {
  const database = await testDatabase()
  const ids = await enqueueProbes(database, 400, { sleep_ms: 20, marker: 'crash' })
  for (const share of [0.2, 0.5]) {
    const victim = await startProcess(database)
    await until(
      async () => (await countOf(database, 'done')) >= share * ids.length && (await countOf(database, 'running')) > 0,
      'the worker is in the middle of it',
    )
    victim.kill('SIGKILL')
    await once(victim, 'exit')
  }
  const survivor = await startProcess(database)
  await until(async () => (await countOf(database, 'done')) === ids.length, 'all jobs are done')
  survivor.kill('SIGTERM')
  await once(survivor, 'exit')
  await assertAllOnce(database, ids)
  const rescued = await database.owner(`select job_id from job_events where event = 'LOSE' limit 1`)
  assert.ok(rescued.length > 0, 'at least one job was held by a killed worker')
  const steps = await timeline(database, Number(rescued[0]!['job_id']))
  assert.ok(steps.indexOf('LOSE retried') < steps.lastIndexOf('CLAIM claimed'), steps.join(', '))
  assert.equal(steps.at(-1), 'SUCCEED done')
})

test('kill -9 of PostgreSQL in the middle: the worker waits for it, goes on, and loses and doubles nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-crash-'))
  const server = await startEmbeddedPostgres({ directory })
  try {
    await migrate(server.url, 'up')
    await allowServiceLogins(server.url)
    const owner = connectOwner(server.url)
    const database: TestDatabase = { ...(await openDatabase(serviceUrls(server.url), { size: 10, name: 'test' })), ownerUrl: server.url, owner: owner.query }
    const ids = await enqueueProbes(database, 300, { sleep_ms: 20, marker: 'crash' })
    const worker = await testWorker(database)
    await until(async () => (await countOf(database, 'done')) > 60, 'some jobs are done')
    const dead = server.pid()!
    process.kill(dead, 'SIGKILL')
    await until(() => server.pid() !== dead, 'PostgreSQL was started again')
    await until(async () => (await countOf(database, 'done').catch(() => 0)) === ids.length, 'all jobs are done')
    await worker.drain()
    await assertAllOnce(database, ids)
    await database.end()
    await owner.end()
  } finally {
    await server.stop()
    await removeEmbedded(directory)
  }
})

test('a view of the lanes that fails, while the claim beside it succeeds, leaves no job leased for ever', async () => {
  const database = await testDatabase()
  let failures = 0
  let isFailing = false
  const any: typeof database.system.any = async (query) => {
    if (!isFailing || !query.sql.includes('with recursive lane')) return database.system.any(query)
    failures += 1
    throw Object.assign(new Error('the connection is gone'), { code: '57P01' })
  }
  const worker = await testWorker({ ...database, system: { ...database.system, any } }, {}, { POLL_MS: '20' })
  const [first] = await enqueueProbes(database, 1)
  await until(async () => (await countOf(database, 'done')) === 1, `job ${first} is done, so that its lane is known`)
  isFailing = true
  const ids = await enqueueProbes(database, 5, { marker: 'guessed' })
  await until(() => failures > 0, 'a view failed')
  await until(async () => (await database.owner('select from job_ready')).length === 0, 'the claims beside it succeed')
  isFailing = false
  await until(async () => (await countOf(database, 'done')) === 1 + ids.length, 'all jobs are done')
  await worker.drain()
  assert.deepEqual(await database.owner('select * from job_leases'), [])
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})
