import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { serviceUrls } from '#db/logins.ts'
import { workerSession } from '#db/workers.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker } from '../support/engine.ts'
import { countOf } from './support.ts'

const database = await testDatabase()
const { system } = serviceUrls(database.ownerUrl)
const LIMITED = `insert into queues (name, concurrency) values ('default', 5) on conflict (name) do update set concurrency = 5`

/** A worker of which nothing is heard any more, and its session, which has locked the limits of the queue and waits for ever. */
async function silentWorker(pid: number, { lives }: { lives: boolean }): Promise<{ session: pg.Client; ended: Promise<string> }> {
  await database.owner(
    `insert into workers (name, host, pid, version, queues, heartbeat_at) values ($1, 'away', $2, '1', '{default}', now() + $3 * interval '1 hour')`,
    [`away:${pid}`, pid, lives ? 1 : -1],
  )
  const session = new pg.Client({ connectionString: system, application_name: workerSession('away', pid) })
  const ended = new Promise<string>((resolve) => session.on('error', (error) => resolve(error.message)))
  await session.connect()
  await session.query('begin')
  await session.query(`select from queues where name = 'default' for update`)
  return { session, ended }
}

test('a lost worker that hangs in a transaction holds nobody up: what it had locked is free when it is declared lost', async (t) => {
  await database.owner(LIMITED)
  const { ended } = await silentWorker(4711, { lives: false })
  const ids = await enqueueProbes(database, 20)
  const worker = await testWorker(database)
  t.after(() => worker.drain())
  assert.match(await ended, /terminating connection due to administrator command/)
  await until(async () => (await countOf(database, 'done')) === ids.length, 'the limited queue is worked off')
})

test('the transactions of a worker that lives are let be, also where a lost one bore the same name', async (t) => {
  await database.owner(LIMITED)
  await database.owner(
    `insert into workers (name, host, pid, version, queues, heartbeat_at) values ('away:4712', 'away', 4712, '1', '{}', now() - interval '1 hour')`,
  )
  const { session } = await silentWorker(4712, { lives: true })
  const before = await countOf(database, 'done')
  const ids = await enqueueProbes(database, 20)
  const worker = await testWorker(database)
  t.after(() => worker.drain())
  const lost = () => database.owner(`select status from workers where pid = 4712 order by id`)
  await until(async () => (await lost())[0]!['status'] === 'lost', 'the silent one is declared lost')
  await session.query('select 1')
  await session.query('commit')
  await session.end()
  await until(async () => (await countOf(database, 'done')) === before + ids.length, 'the limited queue is worked off')
})
