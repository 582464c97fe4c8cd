import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'agent', await createOrganization(database))

const file = async (client: Client = agent) => (await client.post('/tickets', { subject: 's', description: 'd' })).body.id as string
const relate = (id: string, type: string, ticket_id: string, client = agent) => client.post(`/tickets/${id}/relations`, { type, ticket_id })
const relations = async (client: Client, id: string): Promise<[string, string][]> =>
  (await client.get(`/tickets/${id}/relations`)).body.items.map((item: { type: string; ticket: { id: string } }) => [item.type, item.ticket.id])

test('a relation is seen from both of its ends, and parted from either', async () => {
  const [one, two] = [await file(), await file()]
  for (const [type, reversed] of [
    ['parent', 'child'],
    ['duplicate_of', 'duplicated_by'],
    ['related', 'related'],
  ] as const) {
    const { status, body } = await relate(one, type, two.toUpperCase())
    assert.deepEqual([status, body.type, body.ticket.id], [201, type, two])
    assert.deepEqual(await relations(agent, two), [[reversed, one]])
    assert.equal((await relate(two, reversed, one)).status, 409)
    assert.equal((await agent.delete(`/tickets/${two}/relations/${body.id}`)).status, 204)
    assert.deepEqual([await relations(agent, one), await relations(agent, two)], [[], []])
  }
  const told = (await agent.get(`/tickets/${two}/history`)).body.items.map((item: { action: string; details: { type?: string } }) => [
    item.action,
    item.details.type,
  ])
  assert.deepEqual(told.slice(1, 3), [
    ['relation.create', 'child'],
    ['relation.delete', 'child'],
  ])
})

test('a ticket has one parent, is no relation of its own, and none of what is not there or not to be seen', async () => {
  const [one, two, three, foreign] = [await file(), await file(), await file(), await file(stranger)]
  await relate(one, 'parent', two)
  const second = await relate(three, 'child', one)
  assert.deepEqual([second.status, second.body.above_id], [409, two])
  for (const other of [one, foreign, randomUUID()]) assert.deepEqual((await relate(one, 'related', other)).body.errors[0].path, 'ticket_id')
  assert.equal((await relate(foreign, 'related', one)).status, 404)
  assert.equal((await stranger.get(`/tickets/${one}/relations`)).status, 404)
  assert.equal((await relate(one, 'related', two, customer)).status, 403)
})

test('customers see relations among what they see, and learn of no other', async () => {
  const [own, second, internal] = [await file(customer), await file(customer), await file()]
  await relate(own, 'related', second)
  await relate(own, 'parent', internal)
  assert.deepEqual(await relations(customer, own), [['related', second]])
  assert.equal((await relations(agent, own)).length, 2)
  const history = await customer.get(`/tickets/${own}/history`)
  assert.doesNotMatch(JSON.stringify(history.body), new RegExp(internal))
})

test('of many who would close a circle at once, one is refused', async () => {
  for (let round = 0; round < 3; round += 1) {
    const ring = await Promise.all(Array.from({ length: 4 }, () => file()))
    const answers = await Promise.all(ring.map((id, index) => relate(id, 'parent', ring[(index + 1) % ring.length]!)))
    assert.deepEqual(
      answers.map(({ status }) => status).toSorted((a, b) => a - b),
      [201, 201, 201, 409],
    )
    assert.equal(answers.find(({ status }) => status === 409)!.body.type, 'urn:atum-desk:problem:relation-circle')
  }
})

test('whatever is related and parted in whatever order, no ticket is above itself, and nothing else is refused as a circle', async () => {
  const type = fc.constantFrom('parent', 'child', 'duplicate_of', 'duplicated_by')
  const step = fc.record({ from: fc.nat(5), to: fc.nat(5), type, part: fc.boolean() })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 14 }), async (steps) => {
      const ids = await Promise.all(Array.from({ length: 6 }, () => file()))
      const model: { kind: string; below: number; above: number; id: string }[] = []
      const isAbove = (kind: string, below: number, above: number): boolean =>
        below === above || model.some((edge) => edge.kind === kind && edge.below === below && isAbove(kind, edge.above, above))
      for (const { from, to, type, part } of steps) {
        if (part && model.length > 0) {
          const [gone] = model.splice(from % model.length, 1)
          assert.equal((await agent.delete(`/tickets/${ids[gone!.below]}/relations/${gone!.id}`)).status, 204)
          continue
        }
        const kind = type === 'parent' || type === 'child' ? 'parent' : 'duplicate_of'
        const [below, above] = type === 'parent' || type === 'duplicate_of' ? [from, to] : [to, from]
        const { status, body } = await relate(ids[from]!, type, ids[to]!)
        const expected = from === to ? 422 : isAbove(kind, above, below) || model.some((edge) => edge.kind === kind && edge.below === below) ? 409 : 201
        assert.equal(status, expected)
        if (status === 201) model.push({ kind, below, above, id: body.id })
      }
    }),
    { numRuns: 25 },
  )
})
