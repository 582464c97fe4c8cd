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
const manager = await clientOf(app, database, 'manager', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
const wish = { subject: 's', description: 'd' }

test('a service is offered, changed, withdrawn from customers, and deleted only where no ticket has it', async () => {
  const { status, body: service, headers } = await manager.post('/services', { name: 'Network', default_priority: 'high' })
  assert.deepEqual([status, service.is_active, headers['location']], [201, true, `/api/v1/services/${service.id}`])
  assert.equal((await manager.post('/services', { name: 'Network' })).status, 409)
  assert.equal((await agent.post('/services', { name: 'Other' })).status, 403)
  assert.equal((await stranger.get(`/services/${service.id}`)).status, 404)
  const ticket = (await customer.post('/tickets', { ...wish, service_id: service.id })).body
  assert.deepEqual([ticket.service_id, ticket.priority], [service.id, 'high'])
  assert.equal((await manager.delete(`/services/${service.id}`)).status, 409)
  assert.equal((await manager.patch(`/services/${service.id}`, { is_active: false })).body.is_active, false)
  assert.deepEqual((await customer.get('/services')).body.items, [])
  assert.equal((await customer.get(`/services/${service.id}`)).status, 404)
  assert.equal((await agent.get('/services')).body.items.length, 1)
  assert.equal((await customer.post('/tickets', { ...wish, service_id: service.id })).body.errors[0].path, 'service_id')
  const other = (await customer.post('/tickets', wish)).body
  assert.equal((await agent.patch(`/tickets/${other.id}`, { service_id: service.id })).status, 422)
  assert.equal((await agent.patch(`/tickets/${ticket.id}`, { subject: 'Still of it' })).body.service_id, service.id)
  await agent.patch(`/tickets/${ticket.id}`, { service_id: null })
  assert.equal((await manager.delete(`/services/${service.id}`)).status, 204)
  assert.equal((await manager.get(`/services/${service.id}`)).status, 404)
})

test('tags are added and taken one by one, also by many at once, and counted', async () => {
  const { id } = (await customer.post('/tickets', { ...wish, tags: ['a'] })).body
  const answers = await Promise.all(['b', 'c', 'd', 'a'].map((tag) => agent.post(`/tickets/${id}/tags`, { tags: [tag] })))
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
  assert.deepEqual((await agent.get(`/tickets/${id}`)).body.tags.toSorted(), ['a', 'b', 'c', 'd'])
  assert.deepEqual((await agent.delete(`/tickets/${id}/tags/c`)).body.tags.toSorted(), ['a', 'b', 'd'])
  assert.equal((await agent.delete(`/tickets/${id}/tags/c`)).status, 404)
  assert.equal((await agent.post(`/tickets/${id}/tags`, { tags: Array.from({ length: 18 }, (_, n) => `n${n}`) })).status, 422)
  assert.equal((await customer.post(`/tickets/${id}/tags`, { tags: ['x'] })).status, 403)
  assert.equal((await stranger.post(`/tickets/${id}/tags`, { tags: ['x'] })).status, 404)
  assert.deepEqual(
    (await agent.get('/tags')).body.items.find((item: { tag: string }) => item.tag === 'b'),
    { tag: 'b', tickets: 1 },
  )
  assert.deepEqual((await stranger.get('/tags')).body.items, [])
})
