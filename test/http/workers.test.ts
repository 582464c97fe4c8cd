import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, jobOf, testWorker, timeline } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const operator = await clientOf(app, database, 'operator')
const admin = await clientOf(app, database, 'admin', organization)

async function insertWorker(status = 'active'): Promise<number> {
  const [row] = await database.owner<{ id: number }>(
    `insert into workers (name, host, pid, version, queues, status, ended_at) values ('w', 'h', 1, '0', '{}', $1, case when $1 in ('stopped', 'lost') then now() end) returning id`,
    [status],
  )
  return row!.id
}

test('a drain is asked for once, however often, and is seen in the list', async () => {
  const id = await insertWorker()
  const first = await operator.post(`/workers/${id}/drain`)
  const second = await operator.post(`/workers/${id}/drain`)
  assert.deepEqual([first.status, second.status], [202, 202])
  assert.ok(first.body.drain_requested_at)
  assert.equal(second.body.drain_requested_at, first.body.drain_requested_at)
  const listed = (await admin.get('/workers')).body.items.find((worker: { id: number }) => worker.id === id)
  assert.deepEqual([listed.status, listed.drain_requested_at], ['active', first.body.drain_requested_at], 'it has not heard of it yet')
  const audit = await database.owner(`select actor_id, organization_id, entity_id from audit_log where action = 'worker.drain'`)
  assert.deepEqual(audit, [{ actor_id: operator.user.id, organization_id: null, entity_id: String(id) }])
})

test('a worker that has ended cannot drain, one that never was is not found, and tenants may not ask', async () => {
  for (const status of ['stopped', 'lost']) {
    const { status: code, body } = await operator.post(`/workers/${await insertWorker(status)}/drain`)
    assert.deepEqual([code, body.type, body.state], [409, 'urn:atum-desk:problem:worker-ended', status])
  }
  for (const id of ['2147483647', '9007199254740991']) assert.equal((await operator.post(`/workers/${id}/drain`)).status, 404)
  assert.equal((await operator.post('/workers/none/drain')).status, 400)
  assert.equal((await admin.post(`/workers/${await insertWorker()}/drain`)).status, 403)
})

test('what a drained worker does not finish in its time is given back without costing an attempt, and it claims no more', async () => {
  const [long] = await enqueueProbes(database, 1, { sleep_ms: 600_000 })
  const worker = await testWorker(database, {}, { DRAIN_MS: '100' })
  await until(async () => (await jobOf(database, long!))['status'] === 'running', 'it runs')
  assert.equal((await operator.post(`/workers/${worker.id}/drain`)).status, 202)
  await worker.stopped
  assert.deepEqual(await timeline(database, long!), ['ENQUEUE queued', 'CLAIM claimed', 'START running', 'RELEASE queued'])
  assert.equal((await jobOf(database, long!))['attempt'], 0)
  const { status, body } = await operator.post(`/workers/${worker.id}/drain`)
  assert.deepEqual([status, body.state], [409, 'stopped'])
})

test('a worker that is asked to drain and then taken for dead drains under its new number', async () => {
  await operator.post('/jobs/bulk', { action: 'cancel', all: true, dry_run: false })
  const worker = await testWorker(database)
  const { id } = worker
  await database.owner(`update workers set drain_requested_at = now(), status = 'lost', ended_at = now() where id = $1`, [id])
  await worker.stopped
  const rows = await database.owner('select status from workers where id >= $1 order by id', [id])
  assert.deepEqual(
    rows.map(({ status }) => status),
    ['lost', 'stopped'],
  )
})
