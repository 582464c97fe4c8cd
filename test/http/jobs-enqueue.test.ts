/* oxlint-disable unicorn/no-thenable -- a batch names its last job so */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { jobTypes } from '#jobs/registry.ts'
import { testDatabase, until } from '../support/database.ts'
import { jobOf, testWorker } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const operator = await clientOf(app, database, 'operator')
const admin = await clientOf(app, database, 'admin', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
const PROBE = { job_type: 'PROBE', payload: {} }
const FAILING = { job_type: 'PROBE', payload: { fail_times: 9, permanent: true } }
const statusOf = async (id: number) => (await admin.get(`/jobs/${id}`)).body.status
const jobCount = async () => (await database.owner('select 1 from job_queue')).length

test('a job may share a limit by its key, with the number that goes with it', async () => {
  const { status, body } = await admin.post('/jobs', { ...PROBE, limit_key: 'printer', limit_max: 2 })
  assert.equal(status, 201)
  const row = await jobOf(database, body.id)
  assert.deepEqual([row['limit_key'], row['limit_max']], ['printer', 2])
  assert.equal((await admin.post('/jobs', { ...PROBE, limit_key: 'printer' })).status, 400)
  assert.equal((await admin.post('/jobs', { ...PROBE, limit_max: 2 })).status, 400)
  assert.equal((await admin.post('/jobs', { ...PROBE, limit_key: 'printer', limit_max: 0 })).status, 400)
})

test('a job waits for others, those of its own organisation alone', async () => {
  const first = (await admin.post('/jobs', PROBE)).body.id as number
  const { status, body } = await admin.post('/jobs', { ...PROBE, depends_on: [first, first] })
  assert.equal(status, 201)
  assert.deepEqual((await admin.get(`/jobs/${body.id}`)).body.waiting_because[0].facts, { job_ids: [first] })
  for (const refused of [
    await stranger.post('/jobs', { ...PROBE, depends_on: [first] }),
    await admin.post('/jobs', { ...PROBE, depends_on: [first, 987_654_321] }),
  ]) {
    assert.equal(refused.status, 422)
    assert.equal(refused.body.errors[0].path, 'depends_on')
  }
  assert.deepEqual((await admin.post('/jobs', { ...PROBE, depends_on: [first, 987_654_321] })).body.job_ids, [987_654_321])
  assert.equal((await admin.post('/jobs', { ...PROBE, depends_on: [first], count: 2 })).status, 400)
  assert.equal((await admin.post('/jobs', { ...PROBE, on_dependency_failure: 'run' })).status, 400)
  assert.equal((await admin.post('/jobs', { ...PROBE, depends_on: Array.from({ length: 101 }, (_, n) => n + 1) })).status, 400)
})

test('what waits for a job that has failed already is refused, or runs where that was declared', async () => {
  const { id } = (await admin.post('/jobs', PROBE)).body
  await admin.post(`/jobs/${id}/cancel`)
  const refused = await admin.post('/jobs', { ...PROBE, depends_on: [id] })
  assert.deepEqual([refused.status, refused.body.job_ids], [409, [id]])
  const runs = await admin.post('/jobs', { ...PROBE, depends_on: [id], on_dependency_failure: 'run' })
  assert.equal(runs.status, 201)
  assert.deepEqual(
    (await admin.get(`/jobs/${runs.body.id}`)).body.waiting_because.map(({ reason }: { reason: string }) => reason),
    ['no_worker', 'behind'],
  )
})

test('a batch is enqueued whole, with one job that runs when all have ended', async () => {
  const key = { 'idempotency-key': randomUUID() }
  const batch = { jobs: [PROBE, { ...PROBE, priority: 5 }, FAILING], then: { ...PROBE, payload: { marker: 'batch over HTTP' } } }
  const { status, body } = await admin.post('/jobs/batch', batch, key)
  assert.equal(status, 201)
  assert.equal(body.ids.length, 3)
  const again = await admin.post('/jobs/batch', batch, key)
  assert.deepEqual([again.status, again.body, again.headers['idempotent-replayed']], [201, body, 'true'])
  assert.equal((await admin.post('/jobs/batch', { jobs: [PROBE] }, key)).status, 422)
  const [audit] = await database.owner(`select details from audit_log where action = 'job.enqueue' and entity_id = $1`, [String(body.ids[0])])
  assert.equal((audit!['details'] as { count: number }).count, 4)
  const worker = await testWorker(database)
  await until(async () => (await statusOf(body.then_id)) === 'done', 'the callback has run')
  await worker.drain()
  assert.deepEqual(await Promise.all(body.ids.map(statusOf)), ['done', 'done', 'failed'])
})

test('an operator enqueues a batch once for a key, and for more than one organisation', async () => {
  const key = { 'idempotency-key': randomUUID() }
  const batch = { jobs: [PROBE, { ...PROBE, organization_id: organization.id }] }
  const answers = await Promise.all([1, 2, 3].map(() => operator.post('/jobs/batch', batch, key)))
  assert.equal(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1)
  assert.equal(answers[0]!.body.then_id, null)
  assert.equal((await jobOf(database, answers[0]!.body.ids[1]))['organization_id'], organization.id)
  assert.equal((await stranger.post('/jobs/batch', batch)).status, 403)
})

test('a job is due when it says, to the millisecond, and not beyond a bound', async () => {
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
  const run_after = inDays(3)
  assert.equal((await admin.post('/jobs', { ...PROBE, run_after })).body.run_after, run_after)
  const batch = await admin.post('/jobs/batch', { jobs: [PROBE, { ...PROBE, run_after }], then: { ...PROBE, run_after } })
  for (const id of [batch.body.ids[1], batch.body.then_id]) assert.equal((await admin.get(`/jobs/${id}`)).body.run_after, run_after)
  const late = await admin.post('/jobs', { ...PROBE, run_after: inDays(400) })
  assert.deepEqual([late.status, late.body.errors[0].path], [422, 'run_after'])
  const lateOfMany = await admin.post('/jobs/batch', { jobs: [PROBE, { ...PROBE, run_after: inDays(400) }] })
  assert.deepEqual([lateOfMany.status, lateOfMany.body.errors[0].path], [422, 'jobs.1.run_after'])
  const past = (await admin.post('/jobs', { ...PROBE, run_after: inDays(-1) })).body
  assert.equal(past.run_after, past.created_at)
})

test('an instant is measured by the clock of the database, whatever that of the API says', async (t) => {
  const run_after = new Date(Date.now() + 7_200_000).toISOString()
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 240_000 })
  const ahead = await operator.post('/jobs', { ...PROBE, run_after })
  t.mock.timers.reset()
  assert.equal(ahead.body.run_after, run_after)
})

test('an admin sends no mail by a job, nor what has a route of its own; an operator does', async () => {
  const mail = { job_type: 'SEND_EMAIL', payload: { to: 'anybody@elsewhere.test', subject: 's', text: 't' } }
  const before = await jobCount()
  for (const [refused, instead] of [
    [await admin.post('/jobs', mail), /retry/],
    [await admin.post('/jobs/batch', { jobs: [PROBE, mail] }), /retry/],
    [await admin.post('/jobs/batch', { jobs: [PROBE], then: mail }), /retry/],
    [await admin.post('/jobs', { job_type: 'DELIVER_WEBHOOK' }), /replay/],
    [await admin.post('/jobs', { job_type: 'CLEANUP' }), /by itself/],
  ] as const) {
    assert.equal(refused.status, 403)
    assert.match(refused.body.detail, instead)
  }
  assert.equal(await jobCount(), before)
  assert.equal((await operator.post('/jobs', mail)).status, 201)
  for (const job_type of jobTypes.keys()) {
    const { status } = await admin.post('/jobs', { job_type, payload: { ticket_id: 'none' } })
    const isOthers = ['SEND_EMAIL', 'DELIVER_WEBHOOK', 'CLEANUP'].includes(job_type)
    assert.equal(status, isOthers ? 403 : 422, `${job_type}: its payload is looked at where it is the admin's to enqueue`)
  }
})

test('a batch with one job that does not fit leaves none', async () => {
  const before = await jobCount()
  const wrong = await admin.post('/jobs/batch', { jobs: [PROBE, { job_type: 'PROBE', payload: { sleep_ms: -1 } }] })
  assert.deepEqual([wrong.status, wrong.body.errors[0].path], [422, 'jobs.1.payload.sleep_ms'])
  const unique_key = randomUUID()
  const { id } = (await admin.post('/jobs', { ...PROBE, unique_key })).body
  for (const batch of [{ jobs: [PROBE, { ...PROBE, unique_key }] }, { jobs: [PROBE], then: { ...PROBE, unique_key } }]) {
    const { status, body } = await admin.post('/jobs/batch', batch)
    assert.deepEqual([status, body.job_ids], [409, [id]])
  }
  const twice = { ...PROBE, unique_key: randomUUID() }
  assert.equal((await admin.post('/jobs/batch', { jobs: [twice, { ...twice, organization_id: organization.id }] })).status, 422)
  assert.equal((await admin.post('/jobs/batch', { jobs: [] })).status, 400)
  assert.equal((await admin.post('/jobs/batch', { jobs: Array.from({ length: 1_001 }, () => PROBE) })).status, 400)
  assert.equal(await jobCount(), before + 1)
})

test('a thousand jobs go in one batch', async () => {
  const { body } = await admin.post('/jobs/batch', { jobs: Array.from({ length: 1_000 }, () => PROBE), then: PROBE })
  assert.equal(new Set(body.ids).size, 1_000)
  assert.equal((await jobOf(database, body.then_id))['blocked_by'], 1_000)
})

test('a full queue takes no more jobs over HTTP, and still takes tickets', async () => {
  const server = await testServer(database)
  const busy = await clientOf(server, database, 'admin', organization)
  await database.owner(`insert into queues (name) values ('default'), ('ai') on conflict do nothing`)
  const key = { 'idempotency-key': randomUUID() }
  const open = await busy.post('/jobs', PROBE, key)
  await database.owner('update queues set max_depth = 5')
  await until(async () => (await busy.post('/jobs', PROBE)).status === 503, 'the queue is counted anew, and full')
  for (const [path, request] of [
    ['/jobs', PROBE],
    ['/jobs/batch', { jobs: [PROBE] }],
  ] as const) {
    const { status, body, headers } = await busy.post(path, request)
    assert.deepEqual([status, body.type, body.queue, body.max_depth], [503, 'urn:atum-desk:problem:queue-full', 'default', 5])
    assert.match(body.detail, /queue is full/)
    assert.ok(Number(headers['retry-after']) > 0)
  }
  assert.deepEqual((await busy.post('/jobs', PROBE, key)).body, open.body, 'what was answered under a key is answered again')
  assert.equal((await busy.post('/tickets', { subject: 's', description: 'd' })).status, 201)
  const queue = (await operator.get('/queues')).body.items.find((each: { name: string }) => each.name === 'default')
  assert.ok(queue.depth > queue.max_depth)
  await database.owner('update queues set max_depth = 1000000')
  await until(async () => (await busy.post('/jobs', PROBE)).status === 201, 'the queue is open again')
})

test('a key may be kept for a period, within bounds, and only with a key', async () => {
  const job = { ...PROBE, unique_key: randomUUID(), unique_for_ms: 3_600_000 }
  const { status, body } = await admin.post('/jobs', job)
  assert.equal(status, 201)
  await admin.post(`/jobs/${body.id}/cancel`)
  const second = await admin.post('/jobs', job)
  assert.equal(second.status, 201, 'a cancelled job keeps no key')
  const refused = await admin.post('/jobs', job)
  assert.deepEqual([refused.status, refused.body.type, refused.body.job_id], [409, 'urn:atum-desk:problem:job-exists', second.body.id])
  const batch = await admin.post('/jobs/batch', { jobs: [PROBE, job] })
  assert.deepEqual([batch.status, batch.body.job_ids], [409, [second.body.id]])
  for (const wrong of [{ unique_for_ms: 1_000 }, { unique_key: 'k', unique_for_ms: 0 }, { unique_key: 'k', unique_for_ms: 2_678_400_001 }]) {
    assert.equal((await admin.post('/jobs', { ...PROBE, ...wrong })).status, 400, JSON.stringify(wrong))
  }
})

test('after all this the log breaks no rule', async () => {
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})
