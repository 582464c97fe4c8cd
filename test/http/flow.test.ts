import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { findViolations, readHorizon } from '#db/database-health.ts'
import { sql } from '#db/sql.ts'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const operator = await clientOf(app, database, 'operator')
const organization = await createOrganization(database)
const admin = await clientOf(app, database, 'admin', organization)
const agent = await clientOf(app, database, 'agent', organization)
const colleague = await clientOf(app, database, 'agent', organization)

const steady = await enqueueProbes(database, 20, { sleep_ms: 1 })
const stumbling = await enqueueProbes(database, 2, { fail_times: 1 })
const [dead] = await enqueueProbes(database, 1, { permanent: true, fail_times: 1 })
const worker = await testWorker(database)
const ended = async () => (await operator.get('/jobs?limit=200')).body.items.filter((job: { finished_at: string | null }) => job.finished_at !== null).length
await until(async () => (await ended()) === 23, 'all probes end')
await worker.drain()

interface Edge {
  event: string
  from: string | null
  to: string
  count: number
  p95_ms: number | null
}

test('each edge of the job machine says how often it was taken, those that nothing took included', async () => {
  const { status, body } = await operator.get('/machines/job/flow?window=600')
  assert.equal(status, 200, JSON.stringify(body))
  const of = (event: string, from: string | null, to: string) =>
    body.edges.find((edge: Edge) => edge.event === event && edge.from === from && edge.to === to) as Edge
  assert.equal(of('ENQUEUE', null, 'queued').count, 23)
  assert.equal(of('SUCCEED', 'running', 'done').count, 22)
  assert.equal(of('FAIL', 'running', 'retried').count, 2)
  assert.equal(of('FAIL', 'running', 'failed').count, 1)
  assert.equal(of('SNOOZE', 'running', 'queued').count, 0)
  assert.equal(of('SNOOZE', 'running', 'queued').p95_ms, null)
  assert.ok(of('SUCCEED', 'running', 'done').p95_ms! >= 0)
  const running = body.states.find(({ state }: { state: string }) => state === 'running')
  assert.deepEqual([running.entered, running.left, body.sampled_every, body.window_seconds], [25, 25, 1, 600])
})

test('an organisation sees the flow of its own jobs and tickets, and nobody else’s; the actors are the operators’', async () => {
  const { body } = await admin.get('/machines/job/flow')
  assert.equal(
    body.edges.reduce((sum: number, edge: Edge) => sum + edge.count, 0),
    0,
  )
  const ticket = (await agent.post('/tickets', { subject: 's', description: 'd' })).body
  await agent.post(`/tickets/${ticket.id}/accept`)
  const flow = (await admin.get('/machines/ticket/flow?window=601')).body
  const taken = flow.edges.filter((edge: Edge) => edge.count > 0)
  assert.deepEqual(
    taken.map((edge: Edge) => [edge.from, edge.to, edge.count]),
    [
      [null, 'new', 1],
      ['new', 'accepted', 1],
    ],
  )
  await database.owner(
    `insert into ai_predictions (organization_id, ticket_id, field, value, confidence, mode, threshold, state, model, version, inputs_hash, created_at, decided_at)
     values ($1, $2, 'category', '"x"', 0.9, 'suggest', 0.4, 'accepted', 'm', '1', '\\x00', now() - interval '20 s', now() - interval '10 s'),
            ($1, $2, 'priority', '"low"', 0.9, 'suggest', 0.4, 'offered', 'm', '1', '\\x00', now(), null),
            ($1, $2, 'tags', '[]', 0.1, 'suggest', 0.4, null, 'm', '1', '\\x00', now(), null)`,
    [organization.id, ticket.id],
  )
  const suggested = (await admin.get('/machines/suggestion/flow?window=600')).body
  const edge = (event: string) => suggested.edges.find((each: Edge) => each.event === event) as Edge
  assert.deepEqual([edge('OFFER').count, edge('ACCEPT').count, edge('REJECT').count, edge('REJECT').p95_ms], [2, 1, 0, null])
  assert.ok(Math.abs(edge('ACCEPT').p95_ms! - 10_000) < 500)
  assert.equal((await operator.get('/machines/suggestion/flow')).status, 404)
  assert.equal((await admin.get('/machines/worker/flow')).status, 404)
  assert.equal((await operator.get('/machines/ticket/flow')).status, 404)
  assert.equal((await agent.get('/machines/job/flow')).status, 403)
})

test('the ways that jobs took are mined, the rarest first, each with jobs to look at', async () => {
  const { body } = await operator.get('/machines/job/paths?window=600')
  assert.equal(body.jobs, 23)
  assert.deepEqual(
    body.items.map((path: { events: string[]; jobs: number }) => [path.events.join(' '), path.jobs]),
    [
      ['ENQUEUE CLAIM START FAIL', 1],
      ['ENQUEUE CLAIM START FAIL CLAIM START SUCCEED', 2],
      ['ENQUEUE CLAIM START SUCCEED', 20],
    ],
  )
  assert.deepEqual(body.items[0].example_jobs, [dead])
  assert.equal(body.items[2].share, 20 / 23)
})

test('an edge names the jobs that took it', async () => {
  const { body } = await operator.get('/machines/job/movers?event=FAIL&from=running&to=retried&window=600')
  assert.deepEqual(new Set(body.items.map(({ job_id }: { job_id: number }) => job_id)), new Set(stumbling))
  const births = (await operator.get('/machines/job/movers?event=ENQUEUE&to=queued')).body.items
  assert.equal(births.filter(({ job_type }: { job_type: string }) => job_type === 'PROBE').length, steady.length + 3)
  assert.deepEqual((await admin.get('/machines/job/movers?event=FAIL&from=running&to=retried')).body.items, [])
})

test('dead letters are told by the class of their error, and that one was queued again', async () => {
  const read = async () => (await operator.get(`/dead-letters?window=${600 + asked++}`)).body.items
  let asked = 0
  const [letters, ...more] = await read()
  assert.deepEqual(
    [more, letters.error_class, letters.job_type, letters.jobs, letters.still_failed, letters.newest_job],
    [[], 'PermanentFailure', 'PROBE', 1, 1, dead],
  )
  await operator.post(`/jobs/${dead}/retry`)
  assert.equal((await read())[0].still_failed, 0)
})

test('queues tell what they did, stretch by stretch', async () => {
  const { body } = await operator.get('/queues/history?window=600')
  const queue = body.queues.find(({ name }: { name: string }) => name === 'default')
  const sum = (key: string) => queue.points.reduce((total: number, point: Record<string, number>) => total + point[key]!, 0)
  assert.ok(sum('enqueued') >= 23)
  assert.deepEqual([sum('succeeded'), sum('failed')], [22, 1])
  assert.equal(body.step_seconds, 10)
})

test('the health of the database is whole, and the newest logs are paths of the machine', async () => {
  const { status, body } = await operator.get('/database/health')
  assert.equal(status, 200, JSON.stringify(body))
  assert.deepEqual(body.conformance.violations, [])
  assert.ok(Math.abs(body.clock.skew_ms) <= body.clock.uncertainty_ms + 5)
  assert.ok(body.partitions.days_ahead > 0 && !body.partitions.stray_rows)
  assert.ok(body.tables.some(({ name }: { name: string }) => name === 'job_queue'))
  assert.equal((await admin.get('/database/health')).status, 403)
})

test('a log that leaves the machine is found', async () => {
  const [job] = await enqueueProbes(database, 1)
  await database.owner(`insert into job_events (job_id, seq, event, from_state, to_state, attempt) values ($1, 3, 'SUCCEED', 'running', 'done', 1)`, [job])
  const found = await findViolations(database.system, 100, 10)
  assert.deepEqual(new Set(found.filter(({ job_id }) => job_id === job).map(({ rule }) => rule)), new Set(['gap', 'row and log differ']))
  await database.owner('delete from job_events where job_id = $1 and seq = 3', [job])
})

test('a transaction that is left open is named as what holds the horizon', async () => {
  const client = new pg.Client({ connectionString: database.ownerUrl, application_name: 'forgotten' })
  await client.connect()
  try {
    await client.query('begin isolation level repeatable read')
    await client.query('select 1')
    // What began before it (the server looks after its tables too) ends.
    await until(async () => /^session \d+ of forgotten$/.test((await readHorizon(database.system))[0]?.held_by ?? ''), 'it is the oldest')
    assert.ok((await readHorizon(database.system))[0]!.seconds_old! >= 0)
  } finally {
    await client.end()
  }
})

test('schedules say when they come next, and run now when an operator says so', async () => {
  const other = await testWorker(database, {
    schedules: [{ name: 'nightly', job_type: 'PROBE', cron: '0 3 * * *', payload: { marker: 'by hand' }, per_organization: false }],
  })
  await until(async () => (await operator.get('/schedules')).body.items.length === 1, 'the schedule is declared')
  const [schedule] = (await operator.get('/schedules')).body.items
  assert.ok(Date.parse(schedule.next_at) > Date.now())
  assert.equal(new Date(schedule.next_at).getUTCHours(), 3)
  const { status, body } = await operator.post('/schedules/nightly/run')
  assert.deepEqual([status, body.enqueued], [201, 1])
  await until(async () => (await operator.get(`/jobs/${body.job_ids[0]}`)).body.status === 'done', 'it runs')
  assert.equal((await admin.post('/schedules/nightly/run')).status, 403)
  assert.equal((await operator.post('/schedules/never/run')).status, 404)
  assert.equal((await operator.get('/audit?action=schedule.run')).body.items[0].entity_id, 'nightly')
  await other.drain()
})

test('agents who have the same ticket open see each other until they leave', async () => {
  const ticket = (await agent.post('/tickets', { subject: 's', description: 'd' })).body
  const here = async (client: typeof agent, is_writing = false) => {
    const response = await app.inject({
      method: 'PUT',
      url: `/api/v1/tickets/${ticket.id}/presence`,
      headers: { authorization: `Bearer ${client.token}` },
      payload: { is_writing },
    })
    return response.json<{ items: { user_id: string; is_writing: boolean }[] }>().items
  }
  assert.deepEqual(await here(agent, true), [])
  assert.deepEqual(
    (await here(colleague)).map(({ user_id, is_writing }) => [user_id, is_writing]),
    [[agent.user.id, true]],
  )
  assert.equal((await agent.delete(`/tickets/${ticket.id}/presence`)).status, 204)
  assert.deepEqual(await here(colleague), [])
  const stranger = await clientOf(app, database, 'agent', await createOrganization(database))
  assert.equal((await stranger.delete(`/tickets/${ticket.id}/presence`)).status, 404)
})

test('a waiting job is told when to run, and keeps its place in its lane; one that has ended is not', async () => {
  const [job] = await enqueueProbes(database, 1)
  const later = new Date(Date.now() + 3_600_000).toISOString()
  const { status, body } = await operator.post(`/jobs/${job}/reschedule`, { run_after: later })
  assert.deepEqual([status, body.run_after], [200, later])
  const [row] = await database.owner('select run_after from job_ready where job_id = $1', [job])
  assert.equal((row!['run_after'] as Date).toISOString(), later)
  assert.equal((await operator.get(`/jobs/${job}`)).body.waiting_because[0].reason, 'not_due')
  assert.deepEqual(await database.owner('select * from job_log_violations where job_id = $1', [job]), [])
  assert.equal((await operator.get('/audit?action=job.reschedule')).body.items[0].entity_id, String(job))
  const taken = await database.system.transaction(async (tx) => {
    await tx.query(sql.typeAlias('void')`select from job_ready where job_id = ${job!} for update`)
    return operator.post(`/jobs/${job}/reschedule`, { run_after: later })
  })
  assert.equal(taken.status, 409)
  assert.match(taken.body.detail, /A worker is taking this job/)
  await operator.post(`/jobs/${job}/cancel`)
  const refused = await operator.post(`/jobs/${job}/reschedule`, { run_after: later })
  assert.deepEqual([refused.status, refused.body.type, refused.body.allowed_events], [409, 'urn:atum-desk:problem:move-refused', ['REQUEUE']])
  assert.equal((await admin.post(`/jobs/${job}/reschedule`, { run_after: later })).status, 404)
})

test('the stack of an error is for the operator alone', async () => {
  const made = (await admin.post('/jobs', { job_type: 'PROBE', payload: { permanent: true, fail_times: 1 } })).body
  const other = await testWorker(database)
  await until(async () => (await admin.get(`/jobs/${made.id}`)).body.status === 'failed', 'it fails')
  await other.drain()
  const failureOf = async (client: typeof admin) =>
    (await client.get(`/jobs/${made.id}/events`)).body.items.find(({ event }: { event: string }) => event === 'FAIL').details.error
  assert.ok((await failureOf(operator)).stack.length > 0)
  const seen = await failureOf(admin)
  assert.deepEqual([seen.class, 'stack' in seen], ['PermanentFailure', false])
})
