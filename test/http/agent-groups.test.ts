import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { createOrganization, createUser } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const manager = await clientOf(app, database, 'manager', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
const team = await Promise.all([1, 2, 3].map(() => createUser(database, 'agent', organization)))

let groups = 0
async function newGroup(strategy: string, max_open: number | null = null, people = team): Promise<{ group: string; service: string }> {
  groups += 1
  const members = people.map(({ id }) => ({ user_id: id }))
  const { status, body } = await manager.post('/groups', { name: `Group ${groups}`, strategy, max_open, members })
  assert.equal(status, 201, JSON.stringify(body))
  const service = await manager.post('/services', { name: `Service ${groups}`, group_id: body.id })
  assert.equal(service.body.group_id, body.id)
  return { group: body.id, service: service.body.id }
}
const file = async (service_id?: string) =>
  (await customer.post('/tickets', { subject: 's', description: 'd', ...(service_id ? { service_id } : {}) })).body.id as string
const assigneeOf = async (id: string) => (await agent.get(`/tickets/${id}`)).body.assigned_to as string | null
const release = () => database.owner(`update tickets set status = 'closed' where organization_id = $1`, [organization.id])

test('accepted tickets of a service go to its group in turn, told in the history', async () => {
  const { group, service } = await newGroup('round_robin')
  const given: (string | null)[] = []
  for (let count = 0; count < 6; count += 1) {
    const id = await file(service)
    const { body } = await agent.post(`/tickets/${id}/accept`)
    assert.equal(body.status, 'assigned')
    given.push(body.assigned_to)
    const told = (await agent.get(`/tickets/${id}/history`)).body.items.at(-1)
    assert.deepEqual([told.action, told.details.group], ['ticket.assign', { id: group, name: `Group ${groups}`, strategy: 'round_robin' }])
    assert.equal((await customer.get(`/tickets/${id}/history`)).body.items.at(-1).details.group, undefined)
  }
  assert.deepEqual(new Set(given.slice(0, 3)), new Set(team.map(({ id }) => id)))
  assert.deepEqual(given.slice(3), given.slice(0, 3))
  await release()
})

test('many tickets at once are spread by load, nobody gets more than the limit, and what finds nobody waits', async () => {
  const { service } = await newGroup('least_load', 2)
  const ids = await Promise.all(Array.from({ length: 9 }, () => file(service)))
  const answers = await Promise.all(ids.map((id) => agent.post(`/tickets/${id}/accept`)))
  assert.deepEqual(
    answers.map(({ status }) => status),
    ids.map(() => 200),
  )
  const given = await Promise.all(ids.map(assigneeOf))
  for (const { id } of team) assert.equal(given.filter((assignee) => assignee === id).length, 2)
  assert.equal(answers.filter(({ body }) => body.status === 'accepted').length, 3)
  await release()
})

test('a ticket is given to a group by hand, by its own strategy or another one', async () => {
  const { group, service } = await newGroup('manual', 1)
  const id = await file(service)
  assert.equal((await agent.post(`/tickets/${id}/accept`)).body.assigned_to, null)
  assert.equal((await agent.post(`/tickets/${id}/assign`, { group_id: group })).status, 422)
  const { status, body } = await agent.post(`/tickets/${id}/assign`, { strategy: 'least_load' })
  assert.deepEqual([status, body.status], [200, 'assigned'])
  const others = await Promise.all([1, 2, 3].map(() => file()))
  for (const other of others) await agent.post(`/tickets/${other}/accept`)
  const answers = []
  for (const other of others) answers.push(await agent.post(`/tickets/${other}/assign`, { group_id: group, strategy: 'round_robin' }))
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 409],
  )
  assert.equal(answers[2]!.body.type, 'urn:atum-desk:problem:nobody-free')
  assert.equal((await agent.post(`/tickets/${others[2]!}/assign`, { strategy: 'round_robin' })).status, 422)
  assert.equal((await agent.post(`/tickets/${others[2]!}/assign`, { group_id: randomUUID() })).status, 422)
  for (const wrong of [{}, { assignee_id: null, group_id: group }, { strategy: 'manual' }]) {
    assert.equal((await agent.post(`/tickets/${others[2]!}/assign`, wrong)).status, 400)
  }
  await release()
})

test('who left gets no more; groups are kept by managers, of staff, and nobody else sees them', async () => {
  const [leaver, stayer] = [await createUser(database, 'agent', organization), await createUser(database, 'agent', organization)]
  const { group, service } = await newGroup('round_robin', null, [leaver, stayer])
  await database.owner('update users set is_active = false where id = $1', [leaver.id])
  for (let count = 0; count < 3; count += 1) {
    const id = await file(service)
    assert.equal((await agent.post(`/tickets/${id}/accept`)).body.assigned_to, stayer.id)
  }
  const wrong = await manager.patch(`/groups/${group}`, { members: [{ user_id: customer.user.id }] })
  assert.deepEqual([wrong.status, wrong.body.errors[0].path], [422, 'members.0.user_id'])
  const changed = await manager.patch(`/groups/${group}`, { members: [{ user_id: stayer.id, max_open: 3 }] })
  assert.deepEqual(changed.body.members, [{ user_id: stayer.id, full_name: stayer.full_name, max_open: 3 }])
  const full = await file(service)
  assert.equal((await agent.post(`/tickets/${full}/accept`)).body.status, 'accepted')
  assert.equal((await agent.patch(`/groups/${group}`, { name: 'Mine' })).status, 403)
  assert.equal((await stranger.get(`/groups/${group}`)).status, 404)
  assert.equal((await stranger.post('/services', { name: 'Theirs', group_id: group })).status, 422)
  assert.equal((await manager.delete(`/groups/${group}`)).status, 204)
  assert.equal((await agent.get(`/services/${service}`)).body.group_id, null)
})
