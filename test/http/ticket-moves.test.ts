import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { ticketChart } from '#machines/charts.ts'
import { nextTicket, statusesAfter, ticketEventTo } from '#machines/ticket-step.ts'
import { TICKET_STATES } from '#machines/ticket.ts'
import type { TicketEvent } from '#machines/ticket.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization, createUser } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'agent', await createOrganization(database))
await database.owner(
  `insert into sla_policies (organization_id, name, is_default, first_response_minutes, resolution_minutes)
   values ($1, 'Standard', true, '{"medium":60}', '{"medium":600,"urgent":60}')`,
  [organization.id],
)

const filed = async (client: Client = customer): Promise<string> =>
  (await client.post('/tickets', { subject: 'No network', description: 'Since nine.' })).body.id
const PATHS: Record<string, string[]> = {
  new: [],
  accepted: ['accepted'],
  assigned: ['accepted', 'assigned'],
  in_progress: ['accepted', 'assigned', 'in_progress'],
  waiting_customer: ['accepted', 'assigned', 'in_progress', 'waiting_customer'],
  resolved: ['accepted', 'assigned', 'in_progress', 'resolved'],
  closed: ['accepted', 'assigned', 'in_progress', 'resolved', 'closed'],
  cancelled: ['cancelled'],
}
async function standing(status: string): Promise<string> {
  const id = await filed()
  for (const next of PATHS[status]!) assert.equal((await agent.post(`/tickets/${id}/status`, { status: next })).status, 200)
  return id
}
const jobsOf = async (id: string, type: string): Promise<number> =>
  (await database.owner(`select from job_queue where job_type = $2 and $1 in (payload ->> 'ticket_id', payload ->> 'source_id')`, [id, type])).length
const auditOf = (id: string) =>
  database.owner<{ action: string; actor_id: string; details: Record<string, unknown> }>(
    `select action, actor_id, details from audit_log where entity_type = 'ticket' and entity_id = $1 and action <> 'ticket.create' order by id`,
    [id],
  )

test('the compiled ticket machine is the chart, for every state and event', () => {
  assert.deepEqual(ticketChart.states, [...TICKET_STATES])
  for (const from of TICKET_STATES) {
    for (const type of ticketChart.events) {
      const edge = ticketChart.edges.find((each) => each.from === from && each.event === type)
      assert.equal(nextTicket(from, { type } as TicketEvent), edge?.to ?? null)
    }
    for (const to of TICKET_STATES) assert.equal(ticketEventTo(from, to) !== null, statusesAfter(from).includes(to))
  }
})

for (const from of TICKET_STATES) {
  test(`a ticket that is ${from} becomes what its machine allows, and 409 names that for all else`, async () => {
    const id = await standing(from)
    const before = (await agent.get(`/tickets/${id}`)).body
    for (const to of TICKET_STATES) {
      if (statusesAfter(from).includes(to)) continue
      const { status, body } = await agent.post(`/tickets/${id}/status`, { status: to })
      assert.deepEqual([status, body.current_status, body.allowed, body.status], [409, from, statusesAfter(from), 409])
    }
    assert.deepEqual((await agent.get(`/tickets/${id}`)).body, before)
    for (const to of statusesAfter(from)) {
      const other = await standing(from)
      const { status, body } = await agent.post(`/tickets/${other}/status`, { status: to })
      assert.deepEqual([status, body.status], [200, to])
    }
  })
}

test('acceptance starts the SLA under the default policy, with an audit row, a version and its jobs', async () => {
  const id = await filed()
  const before = await jobsOf(id, 'SLA_PREDICT')
  const { status, body, headers } = await agent.post(`/tickets/${id}/accept`)
  assert.deepEqual([status, body.status, body.accepted_by, body.version, headers['etag']], [200, 'accepted', agent.user.id, 2, '"2"'])
  assert.equal(body.sla_started_at, body.accepted_at)
  assert.equal(Date.parse(body.sla_due_at) - Date.parse(body.sla_started_at), 600 * 60_000)
  assert.equal(body.time_to_breach_minutes, 600)
  assert.deepEqual([await jobsOf(id, 'SLA_CHECK'), await jobsOf(id, 'SLA_PREDICT')], [1, before + 1])
  const [policy] = await database.owner('select name from sla_policies where id = (select sla_policy_id from tickets where id = $1)', [id])
  assert.equal(policy!['name'], 'Standard')
  assert.deepEqual(await auditOf(id), [{ action: 'ticket.accept', actor_id: agent.user.id, details: { status: { from: 'new', to: 'accepted' } } }])
  assert.equal((await agent.post(`/tickets/${id}/accept`)).status, 409)
})

test('many who accept one ticket at once accept it once', async () => {
  const id = await filed()
  const answers = await Promise.all(Array.from({ length: 6 }, () => agent.post(`/tickets/${id}/accept`)))
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, 409, 409, 409, 409, 409],
  )
  assert.equal((await auditOf(id)).length, 1)
})

test('waiting for the customer stops the clock; the public answer of the customer goes on with it', async () => {
  const id = await standing('waiting_customer')
  const waiting = (await agent.get(`/tickets/${id}`)).body
  assert.deepEqual([waiting.sla_due_at, waiting.time_to_breach_minutes], [null, null])
  await agent.post(`/tickets/${id}/comments`, { content: 'Are you there?' })
  assert.equal((await agent.get(`/tickets/${id}`)).body.status, 'waiting_customer')
  const said = await Promise.all(['Yes', 'Still', 'Here'].map((content) => customer.post(`/tickets/${id}/comments`, { content })))
  assert.deepEqual(
    said.map(({ status }) => status),
    [201, 201, 201],
  )
  const { status, sla_due_at } = (await agent.get(`/tickets/${id}`)).body
  assert.equal(status, 'in_progress')
  assert.ok(Date.parse(sla_due_at) > Date.parse(waiting.sla_started_at) + 600 * 60_000)
  assert.equal((await auditOf(id)).filter(({ action }) => action === 'ticket.customer_replied').length, 1)
})

test('a resolved ticket has its instants and is indexed; opened again it has none and is indexed anew', async () => {
  const id = await standing('in_progress')
  const resolved = (await agent.post(`/tickets/${id}/status`, { status: 'resolved' })).body
  assert.ok(resolved.resolved_at)
  assert.equal(resolved.time_to_breach_minutes, null)
  assert.equal(await jobsOf(id, 'RAG_INDEX'), 1)
  const reopened = (await agent.post(`/tickets/${id}/status`, { status: 'in_progress' })).body
  assert.deepEqual([reopened.resolved_at, reopened.closed_at, await jobsOf(id, 'RAG_INDEX')], [null, null, 2])
  await agent.post(`/tickets/${id}/status`, { status: 'resolved' })
  const closed = (await agent.post(`/tickets/${id}/status`, { status: 'closed' })).body
  assert.ok(closed.resolved_at && closed.closed_at)
  assert.equal(await jobsOf(id, 'RAG_INDEX'), 3)
})

test('a cancelled ticket has nothing due', async () => {
  const id = await standing('accepted')
  const { sla_due_at, time_to_breach_minutes } = (await agent.post(`/tickets/${id}/status`, { status: 'cancelled' })).body
  assert.deepEqual([sla_due_at, time_to_breach_minutes], [null, null])
})

test('the first assignment moves the ticket, later ones change hands, and nobody is somebody too', async () => {
  const id = await filed()
  const second = await createUser(database, 'agent', organization)
  assert.deepEqual((await agent.post(`/tickets/${id}/assign`, { assignee_id: agent.user.id })).body.allowed, ['accepted', 'cancelled'])
  await agent.post(`/tickets/${id}/accept`)
  const steps: unknown[] = []
  for (const assignee_id of [agent.user.id, second.id, second.id, null]) {
    const { body } = await agent.post(`/tickets/${id}/assign`, { assignee_id })
    steps.push([body.status, body.assigned_to, body.version])
  }
  assert.deepEqual(steps, [
    ['assigned', agent.user.id, 3],
    ['assigned', second.id, 4],
    ['assigned', second.id, 4],
    ['assigned', null, 5],
  ])
  for (const assignee_id of [customer.user.id, stranger.user.id, randomUUID()]) {
    const { status, body } = await agent.post(`/tickets/${id}/assign`, { assignee_id })
    assert.deepEqual([status, body.errors[0].path], [422, 'assignee_id'])
  }
})

test('customers move nothing, and strangers find nothing', async () => {
  const id = await filed()
  for (const [path, body] of [['accept'], ['assign', { assignee_id: null }], ['status', { status: 'cancelled' }]] as const) {
    assert.equal((await customer.post(`/tickets/${id}/${path}`, body)).status, 403)
    assert.equal((await stranger.post(`/tickets/${id}/${path}`, body)).status, 404)
  }
  assert.equal((await customer.patch(`/tickets/${id}`, { subject: 'x' })).status, 403)
  assert.equal((await stranger.patch(`/tickets/${id}`, { subject: 'x' })).status, 404)
})

test('a change is held to the version that was read; what changes nothing writes nothing', async () => {
  const id = await standing('accepted')
  const read = await agent.get(`/tickets/${id}`)
  const tag = { 'if-match': String(read.headers['etag']) }
  const { status, body, headers } = await agent.patch(`/tickets/${id}`, { subject: 'No network at all', priority: 'urgent', tags: ['net', 'net'] }, tag)
  assert.deepEqual([status, body.subject, body.priority, body.tags, body.version, headers['etag']], [200, 'No network at all', 'urgent', ['net'], 3, '"3"'])
  assert.equal(Date.parse(body.sla_due_at) - Date.parse(body.sla_started_at), 60 * 60_000)
  const late = await agent.patch(`/tickets/${id}`, { subject: 'Late' }, tag)
  assert.deepEqual([late.status, late.headers['etag'], late.body.current_version], [412, '"3"', 3])
  assert.equal((await agent.post(`/tickets/${id}/assign`, { assignee_id: null }, tag)).status, 412)
  assert.equal((await agent.patch(`/tickets/${id}`, { subject: 'No network at all' }, { 'if-match': '*' })).body.version, 3)
  assert.deepEqual(
    (await auditOf(id)).map(({ action }) => action),
    ['ticket.accept', 'ticket.edit'],
  )
  assert.equal((await agent.patch(`/tickets/${id}`, { service_id: randomUUID() })).body.errors[0].path, 'service_id')
})

test('who has the newest version is told so', async () => {
  const id = await filed()
  const { headers } = await customer.get(`/tickets/${id}`)
  const same = await customer.get(`/tickets/${id}`, { 'if-none-match': `W/${String(headers['etag'])}` })
  assert.deepEqual([same.status, same.body, same.headers['etag']], [304, null, headers['etag']])
  await agent.post(`/tickets/${id}/accept`)
  assert.equal((await customer.get(`/tickets/${id}`, { 'if-none-match': String(headers['etag']) })).status, 200)
})

test('the history is one list of what people and jobs did, in order, page by page; customers miss what is internal', async () => {
  const id = await standing('accepted')
  await agent.post(`/tickets/${id}/comments`, { content: 'Secret', is_internal: true })
  await agent.patch(`/tickets/${id}`, { description: 'Since ten.' })
  await database.owner(`update tickets set priority = 'high' where id = $1`, [id])
  await agent.post(`/tickets/${id}/assign`, { assignee_id: agent.user.id })
  await customer.post(`/tickets/${id}/comments`, { content: 'Thanks' })
  const read = async (client: Client): Promise<{ action: string; actor: { id: string } | null; details: unknown }[]> => {
    const items = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await client.get(`/tickets/${id}/history?limit=2${cursor ? `&cursor=${cursor}` : ''}`)
      items.push(...body.items)
      cursor = body.next_cursor as string | null
    }
    return items
  }
  const all = await read(agent)
  assert.deepEqual(
    all.map(({ action, actor }) => [action, actor?.id ?? null]),
    [
      ['ticket.create', customer.user.id],
      ['ticket.accept', agent.user.id],
      ['comment.create', agent.user.id],
      ['ticket.edit', agent.user.id],
      ['ticket.edit', null],
      ['ticket.assign', agent.user.id],
      ['comment.create', customer.user.id],
    ],
  )
  assert.deepEqual(all[3]!.details, { description_chars: { from: 11, to: 10 } })
  assert.deepEqual(all[4]!.details, { priority: { from: 'medium', to: 'high' } })
  assert.deepEqual((await read(customer)).map(({ action }) => action).filter((action) => action === 'comment.create').length, 1)
  assert.equal((await stranger.get(`/tickets/${id}/history`)).status, 404)
})
