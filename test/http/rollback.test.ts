import assert from 'node:assert/strict'
import { test } from 'node:test'
import { migrate } from '#db/migrations.ts'
import { jobTypes, TICKET_JOB_TYPES } from '#jobs/registry.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization, signIn } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)

/** Every ticket, user and organisation whole, but for the two columns that come and go. */
const everything = async () =>
  Promise.all(
    ['tickets', 'users', 'organizations'].map(
      async (table) =>
        [
          table,
          await database.owner(`select to_jsonb(row) - 'time_to_breach_minutes' - 'sla_risk_score' as row from ${table} row order by to_jsonb(row) ->> 'id'`),
        ] as const,
    ),
  )

test('going down to the RAG graph and up again loses no ticket, user or organisation, and the service keeps answering in between', async () => {
  const organization = await createOrganization(database)
  const agent = await clientOf(app, database, 'agent', organization)
  const admin = await clientOf(app, database, 'admin', organization)
  const wish = { subject: 'Before', description: 'd', tags: ['kept'] }
  const old = (await agent.post('/tickets', wish)).body
  await database.owner('update tickets set sla_risk_score = 0.5, time_to_breach_minutes = 30')
  assert.equal((await agent.get(`/tickets/${old.id}`)).body.sla_risk_score, 0.5)
  // Every pooled connection has run the statements before the schema changes under it.
  await Promise.all(Array.from({ length: 20 }, () => agent.get('/tickets')))
  const before = await everything()

  await migrate(database.ownerUrl, 'down', { to: 'rag_graph' })
  assert.deepEqual(await everything(), before)
  const health = await app.inject('/api/v1/health')
  assert.equal(health.statusCode, 200)
  assert.equal(health.json<{ status: string }>().status, 'degraded')
  assert.ok(health.json<{ checks: { migrations: { pending: string[] } } }>().checks.migrations.pending.some((name) => name.endsWith('job_queue_ai')))
  await signIn(app, agent.user.email)
  assert.equal((await agent.get('/auth/me')).status, 200)
  const read = await Promise.all(Array.from({ length: 20 }, () => agent.get(`/tickets/${old.id}`)))
  for (const { status, body } of read) assert.deepEqual([status, body.subject, body.sla_risk_score, body.time_to_breach_minutes], [200, 'Before', null, null])
  const key = { 'idempotency-key': 'in between' }
  const [made, again] = [await agent.post('/tickets', { ...wish, subject: 'Between' }, key), await agent.post('/tickets', { ...wish, subject: 'Between' }, key)]
  assert.deepEqual([made.status, again.body.id], [201, made.body.id])
  assert.equal((await agent.get('/tickets')).body.items.length, 2)
  assert.equal((await agent.post(`/tickets/${old.id}/comments`, { content: 'still here' })).status, 201)
  for (const path of ['/jobs', '/machines', '/queues', '/workers', '/schedules', '/jobs/1']) {
    const { status, headers, body } = await admin.get(path)
    assert.equal(status, 503, path)
    assert.equal(body.type, 'urn:atum-desk:problem:schema-behind')
    assert.match(body.detail, /migrate up/)
    assert.ok(headers['retry-after'])
  }
  assert.equal((await admin.post('/jobs', { job_type: 'PROBE' })).status, 503)
  assert.equal((await agent.get(`/tickets/${old.id}/triage`)).status, 503)
  assert.equal((await app.inject({ url: '/metrics' })).statusCode, 200)
  const between = await everything()

  await migrate(database.ownerUrl, 'up')
  assert.deepEqual(await everything(), between)
  const all = await Promise.all(Array.from({ length: 20 }, () => agent.get('/tickets')))
  for (const { status, body } of all) assert.deepEqual([status, body.items.length], [200, 2])
  const after = (await agent.post('/tickets', { ...wish, subject: 'After' })).body
  const jobs = (await admin.get(`/jobs?ticket_id=${after.id}`)).body.items
  assert.equal(jobs.length, TICKET_JOB_TYPES.filter((name) => jobTypes.has(name)).length)
  assert.equal((await admin.post('/jobs', { job_type: 'PROBE' })).status, 201)
})
