import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startEmbeddedPostgres } from '#db/embedded.ts'
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
  await until(async () => (await countOf(database, 'done')) === ids.length, 'all jobs are done', 60_000)
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
    await until(async () => (await countOf(database, 'done').catch(() => 0)) === ids.length, 'all jobs are done', 60_000)
    await worker.drain()
    await assertAllOnce(database, ids)
    await database.end()
    await owner.end()
  } finally {
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
})
