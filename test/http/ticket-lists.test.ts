import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const colleague = await clientOf(app, database, 'agent', organization)
const manager = await clientOf(app, database, 'manager', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))

const file = async (client: Client, wish: object) =>
  (await client.post('/tickets', { subject: 's', description: 'd', ...wish })).body as { id: string; number: number }
const one = await file(customer, { subject: 'One', priority: 'low', tags: ['vpn', 'home'] })
const two = await file(agent, { subject: 'Two', priority: 'urgent', tags: ['vpn'] })
const three = await file(agent, { subject: 'Three', priority: 'high' })
await agent.post(`/tickets/${three.id}/accept`)
await agent.post(`/tickets/${three.id}/assign`, { assignee_id: agent.user.id })
await database.owner(`update tickets set created_at = now() - interval '2 days' where id = $1`, [one.id])

const numbers = async (client: Client, query: string): Promise<number[]> => {
  const { status, body } = await client.get(`/tickets?${query}`)
  assert.equal(status, 200, JSON.stringify(body))
  return body.items.map((item: { number: number }) => item.number)
}
const day = (days: number) => encodeURIComponent(new Date(Date.now() + days * 86_400_000).toISOString())
const written = (condition: unknown) => encodeURIComponent(JSON.stringify(condition))

test('a list takes several values, ranges, tags, me and none, and any condition', async () => {
  assert.deepEqual(await numbers(agent, 'priority=low,high'), [three.number, one.number])
  assert.deepEqual(await numbers(agent, 'priority=low&priority=urgent'), [two.number, one.number])
  assert.deepEqual(await numbers(agent, 'status=assigned,closed'), [three.number])
  assert.deepEqual(await numbers(agent, 'assigned_to=me'), [three.number])
  assert.deepEqual(await numbers(agent, 'assigned_to=none'), [two.number, one.number])
  assert.deepEqual(await numbers(agent, `requester_id=${customer.user.id},me`), [three.number, two.number, one.number])
  assert.deepEqual(await numbers(agent, 'tag=vpn'), [two.number, one.number])
  assert.deepEqual(await numbers(agent, 'tag=vpn&tag=home'), [one.number])
  assert.deepEqual(await numbers(agent, `created_before=${day(-1)}`), [one.number])
  assert.deepEqual(await numbers(agent, `created_from=${day(-1)}&updated_before=${day(1)}`), [three.number, two.number])
  assert.deepEqual(
    await numbers(
      agent,
      `filter=${written({
        any: [
          { field: 'subject', op: 'contains', value: 'ONE' },
          { field: 'accepted_at', op: 'empty', value: false },
        ],
      })}`,
    ),
    [three.number, one.number],
  )
  assert.deepEqual(await numbers(customer, `filter=${written({ not: { field: 'number', op: 'eq', value: 0 } })}`), [one.number])
  assert.equal((await agent.get(`/tickets?filter=${written({ field: 'subject', op: 'contains', value: '\u0000' })}`)).status, 400)
})

test('each order is kept from page to page, with what is equal by number', async () => {
  const byPriority = {
    priority: [one, three, two],
    '-priority': [two, three, one],
    created_at: [one, two, three],
    '-updated_at': [three, two, one],
    number: [one, two, three],
    sla_due_at: [one, two, three],
  }
  for (const [sort, expected] of Object.entries(byPriority)) {
    const seen: number[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await agent.get(`/tickets?sort=${sort}&limit=1${cursor ? `&cursor=${cursor}` : ''}`)
      seen.push(...body.items.map((item: { number: number }) => item.number))
      cursor = body.next_cursor as string | null
    }
    assert.deepEqual(
      seen,
      expected.map(({ number }) => number),
      sort,
    )
  }
  const { body } = await agent.get('/tickets?limit=1')
  assert.equal((await agent.get(`/tickets?sort=number&cursor=${body.next_cursor}`)).status, 400)
})

test('a view is private or shared by role; it is read as a list, within what its reader may see', async () => {
  const condition = {
    all: [
      { field: 'tags', op: 'has', value: 'vpn' },
      { field: 'status', op: 'ne', value: 'closed' },
    ],
  }
  const { status, body: view, headers } = await agent.post('/views', { name: 'VPN', condition, sort: 'number' })
  assert.deepEqual([status, view.condition, view.shared_with, headers['location']], [201, condition, [], `/api/v1/views/${view.id}`])
  assert.deepEqual(await numbers(agent, `view=${view.id}`), [one.number, two.number])
  assert.deepEqual(await numbers(agent, `view=${view.id}&priority=urgent`), [two.number])
  const codes = async () =>
    Promise.all(
      [colleague, manager, stranger].map(async (client) => [
        (await client.get(`/views/${view.id}`)).status,
        (await client.get(`/tickets?view=${view.id}`)).status,
      ]),
    )
  assert.deepEqual(await codes(), [
    [404, 404],
    [404, 404],
    [404, 404],
  ])
  assert.equal((await agent.patch(`/views/${view.id}`, { shared_with: ['agent', 'manager'] })).status, 200)
  assert.deepEqual(await codes(), [
    [200, 200],
    [200, 200],
    [404, 404],
  ])
  assert.equal((await colleague.patch(`/views/${view.id}`, { name: 'Mine' })).status, 403)
  assert.equal((await manager.patch(`/views/${view.id}`, { name: 'Ours' })).body.name, 'Ours')
  assert.deepEqual(
    (await colleague.get('/views')).body.items.map((item: { name: string }) => item.name),
    ['Ours'],
  )
  assert.equal((await agent.post('/views', { name: 'Ours', condition })).status, 409)
  assert.equal((await agent.post('/views', { name: 'x', condition: { field: 'status', op: 'eq', value: 'open' } })).status, 400)
  assert.equal((await customer.get('/views')).status, 403)
  assert.equal((await agent.delete(`/views/${view.id}`)).status, 204)
  assert.equal((await agent.get(`/views/${view.id}`)).status, 404)
})

test('a bulk change takes what a condition finds', async () => {
  const wish = { filter: { field: 'tags', op: 'has', value: 'vpn' }, changes: { priority: 'medium' } }
  const preview = await agent.post('/tickets/bulk', wish)
  assert.deepEqual([preview.status, preview.body.matched, preview.body.changed], [200, 2, 2])
  assert.deepEqual(preview.body.items.map((item: { id: string }) => item.id).toSorted(), [one.id, two.id].toSorted())
  assert.equal((await agent.post('/tickets/bulk', { ...wish, ids: [one.id] })).status, 400)
  assert.equal((await agent.post('/tickets/bulk', { changes: { priority: 'medium' } })).status, 400)
})

test('by urgency comes what may miss its target, then what has one, each by due time, then the rest by priority; page by page', async () => {
  const home = await createOrganization(database)
  const somebody = await clientOf(app, database, 'agent', home)
  /** Due in so many hours, at a risk, of a priority; in the order in which they are to come. */
  const wishes: [number | null, number | null, string][] = [
    [-1, 1, 'low'],
    [9, 0.5, 'low'],
    [1, 0.49, 'low'],
    [2, null, 'medium'],
    [2, 0, 'urgent'],
    [null, null, 'urgent'],
    [null, null, 'high'],
    [null, null, 'low'],
    [null, null, 'low'],
  ]
  const expected: number[] = []
  for (const [hours, risk, priority] of wishes) {
    const ticket = await file(somebody, { subject: 'Urgent', priority })
    expected.push(ticket.number)
    await database.owner(
      `update tickets set status = 'accepted', sla_due_at = date_trunc('hour', now()) + make_interval(hours => $2::int), sla_risk_score = $3 where id = $1`,
      [ticket.id, hours, risk],
    )
  }
  for (const [sort, order] of [
    ['urgency', expected],
    ['-urgency', expected.toReversed()],
  ] as const) {
    const seen: number[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const { status, body } = await somebody.get(`/tickets?sort=${sort}&status=accepted&limit=2${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
      assert.equal(status, 200, JSON.stringify(body))
      seen.push(...body.items.map((item: { number: number }) => item.number))
      cursor = body.next_cursor
    }
    assert.deepEqual(seen, order, sort)
  }
})
