import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const operator = await clientOf(app, database, 'operator')
const admin = await clientOf(app, database, 'admin', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
const manager = await clientOf(app, database, 'manager', organization)

/** Jobs of the admin's organisation that a search for the marker finds. */
async function make(count: number, payload: object = {}, options: object = {}): Promise<{ q: string; ids: number[] }> {
  const q = randomUUID()
  const { body } = await admin.post('/jobs', { job_type: 'PROBE', payload: { marker: q, ...payload }, count, ...options })
  return { q, ids: count === 1 ? [body.id] : body.ids }
}

const states = async (ids: number[]) =>
  Object.fromEntries(
    (await database.owner('select status, count(*)::int as jobs from job_queue where id = any($1) group by status', [ids])).map((row) => [
      row['status'],
      row['jobs'],
    ]),
  )
const report = ({ matched, has_more, applied, requested, refused, dry_run }: Record<string, unknown>) => [
  matched,
  has_more,
  applied,
  requested,
  refused,
  dry_run,
]

test('a bulk move is a dry run unless told otherwise', async () => {
  const { q, ids } = await make(250)
  const { status, body } = await admin.post('/jobs/bulk', { action: 'cancel', filter: { q } })
  assert.equal(status, 200)
  assert.deepEqual(report(body), [250, false, 0, 0, 0, true])
  assert.deepEqual(body.ids, ids.slice(0, 200))
  assert.deepEqual(await states(ids), { queued: 250 })
})

test('many jobs are cancelled, each with its event, and each batch with its audit row', async () => {
  const { q, ids } = await make(450)
  const { body } = await admin.post('/jobs/bulk', { action: 'cancel', filter: { q, queue: 'default' }, dry_run: false })
  assert.deepEqual(report(body), [450, false, 450, 0, 0, false])
  assert.deepEqual(await states(ids), { cancelled: 450 })
  assert.equal(
    (await database.owner(`select 1 from job_events where event = 'CANCEL' and job_id = any($1) and details ->> 'actor' = $2`, [ids, admin.user.id])).length,
    450,
  )
  const audit = await database.owner(`select organization_id, details from audit_log where action = 'job.bulk_cancel' order by id`)
  assert.deepEqual(
    audit.map((row) => (row['details'] as { job_ids: number[] }).job_ids.length),
    [200, 200, 50],
  )
  assert.deepEqual([audit[0]!['organization_id'], (audit[0]!['details'] as { filter: object }).filter], [organization.id, { q, queue: 'default' }])
})

test('a limit moves the oldest, and says how many match', async () => {
  const { q, ids } = await make(30)
  const { body } = await admin.post('/jobs/bulk', { action: 'cancel', filter: { q }, dry_run: false, limit: 10 })
  assert.deepEqual([body.matched, body.applied, body.ids], [30, 10, ids.slice(0, 10)])
  assert.deepEqual(await states(ids), { cancelled: 10, queued: 20 })
})

test('what failed is queued again; what is done or was cancelled is not, unless asked for', async () => {
  const failing = await make(5, { fail_times: 1, permanent: true })
  const done = await make(3)
  const worker = await testWorker(database)
  await until(async () => (await states([...failing.ids, ...done.ids]))['failed'] === 5 && (await states(done.ids))['done'] === 3, 'all have ended')
  await worker.drain()
  const filter = { ids: [...failing.ids, ...done.ids] }
  const redrive = await admin.post('/jobs/bulk', { action: 'retry', filter: { q: failing.q }, dry_run: false })
  assert.deepEqual(report(redrive.body), [5, false, 5, 0, 0, false])
  assert.deepEqual(await states(failing.ids), { queued: 5 })
  assert.equal((await admin.post('/jobs/bulk', { action: 'retry', filter: { q: done.q } })).body.matched, 0)
  assert.equal((await admin.post('/jobs/bulk', { action: 'retry', filter: { q: done.q, status: 'done' } })).body.matched, 3)
  const named = await admin.post('/jobs/bulk', { action: 'retry', filter, dry_run: false })
  assert.deepEqual(report(named.body), [8, false, 3, 0, 5, false], 'those that are queued already are refused by their machine')
  const again = await testWorker(database)
  await until(
    async () => (await states(done.ids))['done'] === 3 && (await states(failing.ids))['failed'] === 5,
    'what is queued again runs from its first attempt',
  )
  await again.drain()
})

test('of jobs with one unique key one is queued again, and none where a live one has it', async () => {
  const unique_key = randomUUID()
  const ids: number[] = []
  for (let n = 0; n < 3; n += 1) {
    const { body } = await admin.post('/jobs', { job_type: 'PROBE', unique_key })
    ids.push(body.id)
    await admin.post(`/jobs/${body.id}/cancel`)
  }
  const retry = { action: 'retry', filter: { ids }, dry_run: false }
  assert.deepEqual(report((await admin.post('/jobs/bulk', retry)).body), [3, false, 1, 0, 2, false])
  assert.deepEqual(await states(ids), { queued: 1, cancelled: 2 })
  assert.deepEqual(report((await admin.post('/jobs/bulk', retry)).body), [3, false, 0, 0, 3, false])
})

test('jobs that workers hold are asked to stop, and stop', async (t) => {
  const { q, ids } = await make(3, { sleep_ms: 60_000 })
  const worker = await testWorker(database, {}, { HEARTBEAT_MS: '10000', WORKER_LOST_MS: '20000' })
  t.after(() => worker.drain())
  await until(async () => (await states(ids))['running'] === 3 || (await states(ids))['claimed'] === 3, 'they are held')
  await until(isListening, 'the worker listens, and needs not wait for its heartbeat')
  const beats = async (): Promise<unknown> => (await database.owner('select heartbeat_at from workers where id = $1', [worker.id]))[0]!['heartbeat_at']
  const beat = await beats()
  const { body } = await admin.post('/jobs/bulk', { action: 'cancel', filter: { q }, dry_run: false })
  assert.deepEqual(report(body), [3, false, 3, 3, 0, false])
  await until(async () => (await states(ids))['cancelled'] === 3, 'their handlers were aborted')
  assert.deepEqual(await beats(), beat, 'told at once, not found at the next heartbeat')
})

const isListening = async (): Promise<boolean> =>
  (await database.owner(`select 1 from pg_stat_activity where datname = current_database() and application_name = 'atum-desk listener' and query <> ''`))
    .length > 0

test('another organisation moves nothing of it; an operator moves what it names', async () => {
  const { q, ids } = await make(4)
  assert.equal((await stranger.post('/jobs/bulk', { action: 'cancel', filter: { ids }, dry_run: false })).body.matched, 0)
  assert.equal((await stranger.post('/jobs/bulk', { action: 'cancel', filter: { organization_id: organization.id } })).status, 403)
  assert.equal((await manager.post('/jobs/bulk', { action: 'cancel', filter: { q } })).status, 403)
  const [own] = await enqueueProbes(database, 1, { marker: q })
  assert.equal((await operator.post('/jobs/bulk', { action: 'cancel', filter: { q } })).body.matched, 5)
  const { body } = await operator.post('/jobs/bulk', { action: 'cancel', filter: { q, organization_id: organization.id }, dry_run: false })
  assert.deepEqual(body.ids, ids)
  assert.deepEqual(await states([own!]), { queued: 1 })
})

test('a filter that names nothing is refused, unless all is meant', async () => {
  for (const body of [{ action: 'cancel' }, { action: 'cancel', filter: {} }, { action: 'cancel', filter: {}, all: false }, { action: 'drop', all: true }]) {
    assert.equal((await admin.post('/jobs/bulk', body)).status, 400)
  }
  for (const filter of [{ ids: [] }, { status: 'gone' }, { surprise: 1 }, { created_before: 'yesterday' }]) {
    assert.equal((await admin.post('/jobs/bulk', { action: 'cancel', filter })).status, 400)
  }
  await make(1)
  const { body } = await admin.post('/jobs/bulk', { action: 'cancel', all: true })
  assert.ok(body.matched > 0)
  assert.equal((await admin.post('/jobs/bulk', { action: 'cancel', filter: { created_before: '2020-01-01T00:00:00Z' } })).body.matched, 0)
})

test('matches are counted up to a bound', async () => {
  await make(10_000)
  await make(10)
  const { status, body } = await admin.post('/jobs/bulk', { action: 'cancel', filter: { status: 'queued' }, dry_run: false })
  assert.equal(status, 200, JSON.stringify(body))
  assert.deepEqual(report(body), [10_000, true, 10_000, 0, 0, false])
})

test('after all this the log breaks no rule', async () => {
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})
