import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import pg from 'pg'
import { testDatabase, until } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const elsewhere = await createOrganization(database)
const operator = await clientOf(app, database, 'operator')
const admin = await clientOf(app, database, 'admin', organization)
const manager = await clientOf(app, database, 'manager', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'admin', elsewhere)
const PROBE = { job_type: 'PROBE', payload: { marker: 'm' } }

test('an admin enqueues for the own organisation, an operator for the installation or any organisation', async () => {
  const own = await admin.post('/jobs', PROBE)
  assert.equal(own.status, 201)
  assert.equal(own.headers['location'], `/api/v1/jobs/${own.body.id}`)
  assert.equal(
    Object.keys(own.body).toSorted().join(' '),
    'attempt cancel_requested created_at finished_at id job_type last_error locked_by max_attempts organization_id payload priority queue result run_after status unique_key updated_at',
  )
  assert.equal(own.body.organization_id, organization.id)
  assert.equal((await operator.post('/jobs', PROBE)).body.organization_id, null)
  assert.equal((await operator.post('/jobs', { ...PROBE, organization_id: elsewhere.id })).body.organization_id, elsewhere.id)
  assert.equal((await admin.post('/jobs', { ...PROBE, organization_id: elsewhere.id })).status, 403)
  assert.equal((await operator.post('/jobs', { ...PROBE, organization_id: randomUUID() })).status, 422)
  assert.equal((await manager.post('/jobs', PROBE)).status, 403)
  assert.equal((await agent.get('/jobs')).status, 403)
})

test('another organisation learns nothing of a job', async () => {
  const { id } = (await admin.post('/jobs', PROBE)).body
  for (const path of [`/jobs/${id}`, `/jobs/${id}/events`]) assert.equal((await stranger.get(path)).status, 404)
  for (const path of [`/jobs/${id}/retry`, `/jobs/${id}/cancel`]) assert.equal((await stranger.post(path)).status, 404)
  assert.equal((await admin.get(`/jobs/${id}`)).body.status, 'queued')
  assert.ok(!(await stranger.get('/jobs?limit=200')).body.items.some((job: { id: number }) => job.id === id))
})

test('many jobs are enqueued at once; the answer shows the first 200 and every id', async () => {
  const { status, body } = await admin.post('/jobs', { ...PROBE, count: 1_000 })
  assert.equal(status, 201)
  assert.equal(body.count, 1_000)
  assert.equal(new Set(body.ids).size, 1_000)
  assert.equal(body.items.length, 200)
  assert.equal((await admin.post('/jobs', { ...PROBE, count: 10_001 })).status, 400)
})

test('a payload that does not fit is refused with its paths', async () => {
  const { status, body } = await admin.post('/jobs', { job_type: 'PROBE', payload: { sleep_ms: -1, surprise: true } })
  assert.equal(status, 422)
  assert.match(JSON.stringify(body.errors), /payload\.sleep_ms/)
  assert.match(JSON.stringify(body.errors), /surprise/)
  assert.equal((await admin.post('/jobs', { job_type: 'NO_SUCH' })).status, 400)
  assert.equal((await admin.post('/jobs', { ...PROBE, delay_ms: 1, run_after: new Date().toISOString() })).status, 400)
})

test('a live job keeps its unique key to itself', async () => {
  const key = randomUUID()
  const { body } = await admin.post('/jobs', { ...PROBE, unique_key: key })
  assert.equal(body.unique_key, key)
  const refused = await admin.post('/jobs', { ...PROBE, unique_key: key })
  assert.deepEqual([refused.status, refused.body.job_id], [409, body.id])
  assert.equal((await stranger.post('/jobs', { ...PROBE, unique_key: key })).status, 201)
  await admin.post(`/jobs/${body.id}/cancel`)
  const next = await admin.post('/jobs', { ...PROBE, unique_key: key })
  const retried = await admin.post(`/jobs/${body.id}/retry`)
  assert.deepEqual(
    [retried.status, retried.body.type, retried.body.job_id],
    [409, 'urn:atum-desk:problem:job-exists', next.body.id],
    'who has the key is said, since the machine would allow it',
  )
  await admin.post(`/jobs/${next.body.id}/cancel`)
  assert.equal((await admin.post(`/jobs/${body.id}/retry`)).status, 200)
})

test('the same Idempotency-Key is one job, for tenants and for operators', async () => {
  for (const client of [admin, operator]) {
    const key = { 'idempotency-key': randomUUID() }
    const answers = await Promise.all(Array.from({ length: 4 }, () => client.post('/jobs', PROBE, key)))
    assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1)
    assert.equal(answers.filter(({ headers }) => headers['idempotent-replayed'] === 'true').length, 3)
    assert.equal((await client.post('/jobs', { ...PROBE, count: 2 }, key)).status, 422)
  }
})

test('a job is cancelled and queued again, with its log and its audit; what its machine refuses is told', async () => {
  const { id } = (await admin.post('/jobs', PROBE)).body
  const refused = await admin.post(`/jobs/${id}/retry`)
  assert.equal(refused.status, 409)
  assert.deepEqual(refused.body.allowed_events, ['CLAIM', 'CANCEL'])
  assert.equal((await admin.post(`/jobs/${id}/cancel`)).body.status, 'cancelled')
  const detail = (await admin.get(`/jobs/${id}`)).body
  assert.deepEqual([detail.allowed_events, detail.waiting_because, detail.progress], [['REQUEUE'], [], null])
  assert.equal((await operator.post(`/jobs/${id}/retry`, {})).body.status, 'queued')
  const first = (await admin.get(`/jobs/${id}/events?limit=2`)).body
  const rest = (await admin.get(`/jobs/${id}/events?cursor=${first.next_cursor}`)).body
  const events = [...first.items, ...rest.items]
  assert.deepEqual(
    events.map((event) => `${event.seq} ${event.event} ${event.to_state}`),
    ['1 ENQUEUE queued', '2 CANCEL cancelled', '3 REQUEUE queued'],
  )
  assert.equal(Object.keys(events[1]).join(' '), 'seq event from_state to_state attempt worker at details')
  assert.equal(events[1].details.actor, admin.user.id)
  const audit = await database.owner(`select action, actor_id from audit_log where entity_type = 'job' and entity_id = $1 order by id`, [String(id)])
  assert.deepEqual(
    audit.map((row) => `${row['action']} ${row['actor_id']}`),
    [`job.enqueue ${admin.user.id}`, `job.cancel ${admin.user.id}`, `job.retry ${operator.user.id}`],
  )
})

test('a job that a worker holds is asked to stop: 202', async () => {
  const { id } = (await admin.post('/jobs', PROBE)).body
  const [worker] = await database.owner<{ id: number }>(
    `insert into workers (name, host, pid, version, queues) values ('w', 'h', 1, '0', '{default}') returning id`,
  )
  await database.owner(`delete from job_ready where job_id = $1`, [id])
  await database.owner(`update job_queue set status = 'claimed', version = 2, attempt = 1, locked_by = $2, locked_at = now() where id = $1`, [id, worker!.id])
  const { status, body } = await admin.post(`/jobs/${id}/cancel`)
  assert.equal(status, 202)
  assert.equal(body.status, 'claimed')
  assert.equal(body.cancel_requested, true)
  await database.owner('delete from workers where id = $1', [worker!.id])
})

test('jobs are found by their facts, page after page', async () => {
  const marker = randomUUID()
  const ids: number[] = []
  for (let count = 0; count < 5; count += 1) ids.unshift((await admin.post('/jobs', { job_type: 'PROBE', payload: { marker } })).body.id)
  const first = (await admin.get(`/jobs?q=${marker}&limit=2`)).body
  const second = (await admin.get(`/jobs?q=${marker}&limit=3&cursor=${first.next_cursor}`)).body
  assert.deepEqual(
    [...first.items, ...second.items].map((job) => job.id),
    ids,
  )
  assert.equal(second.next_cursor, null)
  const count = async (query: string) => (await operator.get(`/jobs?q=${marker}&${query}`)).body.items.length
  assert.equal(await count(`status=queued&job_type=PROBE&queue=default&organization_id=${organization.id}`), 5)
  assert.equal(await count('created_before=2020-01-01T00:00:00Z'), 0)
  assert.equal(await count('created_after=2020-01-01T00:00:00%2B02:00'), 5)
  assert.equal(await count('locked_by=1'), 0)
  assert.equal(await count(`ticket_id=${randomUUID()}`), 0)
  assert.equal((await admin.get(`/jobs?organization_id=${elsewhere.id}`)).status, 403)
})

test('ids that are none are refused, unknown ones are not found', async () => {
  for (const id of ['garbage', randomUUID(), '-1', '1.5', '1e3', '0', '99999999999999999999']) {
    const { status } = await operator.get(`/jobs/${encodeURIComponent(id)}`)
    assert.ok(status === 400 || status === 404, `${id}: ${status}`)
  }
  assert.equal((await operator.get('/jobs/9999999999999999')).status, 404)
  assert.equal((await operator.get('/jobs/999999999')).status, 404)
})

test('enqueuing wakes the workers', async () => {
  const heard: string[] = []
  const listener = new pg.Client({ connectionString: database.ownerUrl })
  await listener.connect()
  listener.on('notification', ({ payload }) => heard.push(payload ?? ''))
  await listener.query('listen atum_jobs')
  await Promise.all(Array.from({ length: 10 }, () => admin.post('/jobs', PROBE)))
  await until(() => heard.length > 0, 'a notification')
  assert.deepEqual(JSON.parse(heard[0]!), { queues: ['default'] })
  assert.ok(heard.length <= 10)
  await listener.end()
})

test('machines are served as they are drawn, with the counts of the asker', async () => {
  const machines = (await admin.get('/machines')).body.items as { name: string; states: string[]; edges: unknown[]; counts: Record<string, number> | null }[]
  const job = machines.find((machine) => machine.name === 'job')!
  assert.deepEqual(Object.keys(job.counts!), job.states)
  const [{ queued }] = (await database.owner<{ queued: number }>(
    `select count(*)::int as queued from job_queue where status = 'queued' and organization_id = $1`,
    [organization.id],
  )) as [{ queued: number }]
  assert.equal(job.counts!['queued'], queued)
  assert.equal(machines.find((machine) => machine.name === 'ticket')!.counts!['new'], 0)
  const seen = (await operator.get('/machines')).body.items as typeof machines
  assert.ok(seen.find((machine) => machine.name === 'job')!.counts!['queued']! > queued)
  assert.equal(seen.find((machine) => machine.name === 'ticket')!.counts, null)
})

test('queues, workers and schedules are listed; actors are shown to operators alone', async () => {
  await database.owner(`insert into queues (name) values ('default') on conflict do nothing`)
  await database.owner(
    `insert into workers (name, host, pid, version, queues, actor_tree) values ('alive', 'h', 1, '0', '{default}', '{"id":"worker","children":[{"id":"heartbeat"},{"id":"queue:a","jobs":3},{"id":"queue:b","jobs":4}]}')`,
  )
  await database.owner(
    `insert into workers (name, host, pid, version, queues, status, heartbeat_at) values ('old', 'h', 1, '0', '{default}', 'lost', now() - interval '2 hours')`,
  )
  const names = (items: { name: string }[]) => items.map((item) => item.name)
  const workers = (await operator.get('/workers')).body.items
  assert.deepEqual(names(workers), ['alive'])
  assert.deepEqual([workers[0].actor_tree.id, workers[0].running_jobs], ['worker', 7])
  assert.equal((await admin.get('/workers')).body.items[0].actor_tree, null)
  const queue = (await operator.get('/queues')).body.items.find((each: { name: string }) => each.name === 'default')
  assert.equal(queue.depth, queue.counts.queued)
  assert.ok(queue.oldest_due_seconds > 0)
  assert.ok((await admin.get('/queues')).body.items[0].depth < queue.depth)
  assert.equal((await operator.get('/schedules')).status, 200)
})
