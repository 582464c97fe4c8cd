import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'agent', await createOrganization(database))
const keep = async (name: string, content: string) => (await agent.post('/canned-responses', { name, content })).body

test('a text is filled for a ticket; what a value holds is never filled, and what stands for nothing is reported', async () => {
  const subject = '{{agent.name}} $& <b>'
  const { id, number } = (await customer.post('/tickets', { subject, description: 'd' })).body
  const canned = await keep(
    'Hello',
    'Dear {{ requester.first_name }}, #{{ticket.number}} ({{ticket.subject}}) is {{assignee.name}}{{nonsense}}. {{constructor}} {{agent.name}}',
  )
  assert.deepEqual(canned.unknown_placeholders, ['nonsense', 'constructor'])
  const { status, body } = await agent.post(`/canned-responses/${canned.id}/render`, { ticket_id: id })
  assert.equal(status, 200)
  assert.deepEqual(body, {
    content: `Dear A, #${number} (${subject}) is {{nonsense}}. {{constructor}} ${agent.user.full_name}`,
    unknown_placeholders: ['nonsense', 'constructor'],
    empty_placeholders: ['assignee.name'],
  })
  assert.equal((await stranger.post(`/canned-responses/${canned.id}/render`, { ticket_id: id })).status, 404)
  const foreign = (await stranger.post('/tickets', { subject: 's', description: 'd' })).body.id
  assert.equal((await agent.post(`/canned-responses/${canned.id}/render`, { ticket_id: foreign })).status, 404)
})

test('canned responses are kept by staff, changed, found by service, and deleted', async () => {
  const canned = await keep('Bye', 'Bye')
  assert.equal((await agent.post('/canned-responses', { name: 'Bye', content: 'x' })).status, 409)
  assert.equal((await customer.get('/canned-responses')).status, 403)
  assert.equal((await stranger.get(`/canned-responses/${canned.id}`)).status, 404)
  const changed = await agent.patch(`/canned-responses/${canned.id}`, { content: 'Bye {{who}}' })
  assert.deepEqual([changed.body.content, changed.body.unknown_placeholders], ['Bye {{who}}', ['who']])
  const names = async (query = '') => (await agent.get(`/canned-responses${query}`)).body.items.map((item: { name: string }) => item.name)
  assert.deepEqual(await names(), ['Bye', 'Hello'])
  const first = (await agent.get('/canned-responses?limit=1')).body
  assert.deepEqual(await names(`?cursor=${first.next_cursor}`), ['Hello'])
  assert.equal((await agent.delete(`/canned-responses/${canned.id}`)).status, 204)
  assert.deepEqual(await names(), ['Hello'])
})
