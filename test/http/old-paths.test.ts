import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import { upload } from '../support/upload.ts'

const directory = await mkdtemp(join(tmpdir(), 'atum-desk-attachments-'))
after(() => rm(directory, { recursive: true }))
const database = await testDatabase()
const app = await testServer(database, { ATTACHMENTS_DIR: directory })
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const admin = await clientOf(app, database, 'admin', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))

const filed = async () => (await customer.post('/tickets', { subject: 'Old friend', description: 'The lamp of the old desk flickers.' })).body.id as string
const ids = (body: { items: { id: string }[] }) => body.items.map(({ id }) => id)

test('tickets are listed, accepted, assigned and moved under the old paths as under the new', async () => {
  const [fresh, id] = [await filed(), await filed()]
  assert.equal((await agent.post(`/internal/tickets/${id}/accept`)).body.status, 'accepted')
  assert.equal((await agent.post(`/internal/tickets/${id}/assign`, { assignee_id: agent.user.id })).body.status, 'assigned')
  assert.equal((await agent.post(`/internal/tickets/${id}/status`, { status: 'in_progress' })).body.status, 'in_progress')
  assert.deepEqual((await agent.post(`/internal/tickets/${id}/status`, { status: 'new' })).body.allowed, ['waiting_customer', 'resolved'])
  assert.deepEqual(ids((await agent.get('/internal/tickets?limit=200')).body), ids((await agent.get('/tickets?limit=200')).body))
  assert.deepEqual(ids((await agent.get('/internal/tickets/new')).body), [fresh])
  assert.equal((await agent.get('/internal/tickets/new?surprise=1')).status, 400)
  assert.equal((await customer.post(`/internal/tickets/${fresh}/accept`)).status, 403)
  assert.equal((await stranger.post(`/internal/tickets/${fresh}/accept`)).status, 404)
  assert.equal((await app.inject('/api/v1/internal/tickets')).statusCode, 401)
})

test('comments and attachments have their old places', async () => {
  const id = await filed()
  assert.equal((await customer.post(`/comments/ticket/${id}`, { content: 'Still there?' })).status, 201)
  await agent.post(`/comments/ticket/${id}`, { content: 'Hm', is_internal: true })
  assert.deepEqual((await customer.get(`/comments/ticket/${id}`)).body, (await customer.get(`/tickets/${id}/comments`)).body)
  assert.equal((await customer.get(`/comments/ticket/${id}`)).body.items.length, 1)
  const { status, body } = await upload(app, customer, `/attachments/ticket/${id}`, { bytes: 'lamp' })
  assert.equal(status, 201)
  assert.equal((await agent.get(`/attachments/${body.id}/download`)).body, 'lamp')
  assert.deepEqual((await agent.get(`/attachments/ticket/${id}`)).body.items, [body])
})

test('what operators and the AI answered is answered by what there is now', async () => {
  const id = await filed()
  await agent.post(`/tickets/${id}/accept`)
  const same = async (old: string, now: string) => assert.deepEqual((await admin.get(old)).body, (await admin.get(now)).body)
  await same('/admin/jobs', '/jobs')
  await same('/admin/rag-queue', '/jobs?job_type=RAG_INDEX')
  await same(`/ai/tickets/${id}/smart-replies`, `/tickets/${id}/suggestions`)
  assert.equal((await admin.get('/admin/system-health')).body.checks.database.status, 'ok')
  assert.equal((await admin.get(`/ai/tickets/${id}/sla-prediction`)).status, 200)
  for (const path of ['summary', 'key-points']) {
    const { status, body } = await agent.get(`/ai/tickets/${id}/${path}`)
    assert.deepEqual([status, body.ticket_id], [200, id])
    assert.match(body.summary, /The lamp of the old desk flickers\./)
    assert.equal((await customer.get(`/ai/tickets/${id}/${path}`)).status, 403)
    assert.equal((await stranger.get(`/ai/tickets/${id}/${path}`)).status, 404)
  }
})
