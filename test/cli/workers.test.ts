import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, jobOf, QUICK, testWorker, timeline } from '../support/engine.ts'
import { isAlive, run, start } from './program.ts'

const database = await testDatabase()
const here = { DATABASE_URL: database.ownerUrl }

test('a worker process that is drained while it runs a job finishes it, ends with 0, and leaves the rest to others', async () => {
  const settings = { ...QUICK, DRAIN_MS: '60000', WORKER_CONCURRENCY: '1', WORKER_QUEUES: 'default', LOG_LEVEL: 'info' }
  const process = start(['work', '--json'], { ...here, ...settings })
  after(() => isAlive(process.pid) && process.process.kill('SIGKILL'))
  await until(() => process.said.stdout.includes('}'), 'it is registered')
  const { worker } = JSON.parse(process.said.stdout) as { worker: number }
  const [held] = await enqueueProbes(database, 1, { sleep_ms: 3_000, marker: 'held' })
  await until(async () => (await jobOf(database, held!))['status'] === 'running', 'it runs the job')

  const asked = await run(['workers', 'drain', String(worker), '--json'], here)
  assert.equal(asked.code, 0, asked.stderr)
  const [row] = await database.owner('select drain_requested_at is not null as asked from workers where id = $1', [worker])
  assert.equal(row!['asked'], true)
  await until(async () => (await database.owner('select status from workers where id = $1', [worker]))[0]!['status'] !== 'active', 'it has heard of it')
  const rest = await enqueueProbes(database, 5, { marker: 'rest' })
  const { code, stderr } = await process.ended
  assert.equal(code, 0, stderr)
  assert.match(stderr, /draining, since an operator asked for it/)
  assert.deepEqual(await timeline(database, held!), ['ENQUEUE queued', 'CLAIM claimed', 'START running', 'SUCCEED done'])
  for (const id of rest) assert.equal((await jobOf(database, id))['status'], 'queued', 'it has claimed no more')

  const other = await testWorker(database)
  await until(async () => (await database.owner(`select from job_queue where status <> 'done'`)).length === 0, 'another takes the rest')
  await other.drain()
  const listed = JSON.parse((await run(['workers', 'list', '--json'], here)).stdout) as { items: { id: number; status: string }[] }
  assert.equal(listed.items.find(({ id }) => id === worker)?.status, 'stopped')
  const again = await run(['workers', 'drain', String(worker)], here)
  assert.notEqual(again.code, 0)
  assert.match(again.stderr, /has ended: it is stopped/)
  assert.match((await run(['workers', 'drain', '999999'], here)).stderr, /There is no worker 999999/)
  const audit = await database.owner(`select details ->> 'by' as by from audit_log where action = 'worker.drain'`)
  assert.deepEqual(audit, [{ by: 'command line' }])
})
