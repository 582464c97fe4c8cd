import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase, until } from '../support/database.ts'
import { enqueueProbes, testWorker } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const operator = await clientOf(app, database, 'operator')
const organization = await createOrganization(database)
const admin = await clientOf(app, database, 'admin', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))

interface Edge {
  event: string
  from: string | null
  to: string
  count: number
  p95_ms: number | null
}

/** Every question with a window of its own: answers are kept for a moment. */
let asked = 600
const flowOf = async (client: Client, machine: string) => (await client.get(`/machines/${machine}/flow?window=${asked++}`)).body
const edgeOf = (flow: { edges: Edge[] }, event: string, from: string, to: string) =>
  flow.edges.find((edge) => edge.event === event && edge.from === from && edge.to === to)!
const standing = async (client: Client, machine: string, state: string) => (await client.get(`/machines/${machine}/standing?state=${state}`)).body.items
const moversOf = async (client: Client, machine: string, event: string, from: string, to: string) =>
  (await client.get(`/machines/${machine}/movers?event=${event}&from=${from}&to=${to}`)).body.items

test('a worker and its supervisors are counted as they move, to the last move of a worker that drained', async () => {
  const worker = await testWorker(database)
  const { id } = worker
  await enqueueProbes(database, 5)
  await until(
    async () => edgeOf(await flowOf(operator, 'queue_supervisor'), 'CLAIMED', 'claiming', 'waiting').count > 0,
    'its supervisors have told of a claim',
  )
  const working = await standing(operator, 'worker', 'working')
  assert.deepEqual(
    working.map((each: { worker: number }) => each.worker),
    [id],
  )
  // Between two questions it may move on.
  const stands = async (state: string) =>
    (await standing(operator, 'queue_supervisor', state)).some(({ detail }: { detail: string }) => detail.endsWith(', default'))
  await until(async () => (await stands('waiting')) || (await stands('claiming')), 'its supervisor of the queue stands somewhere')
  await worker.drain()
  const flow = await flowOf(operator, 'worker')
  assert.deepEqual(
    [edgeOf(flow, 'REGISTERED', 'starting', 'working'), edgeOf(flow, 'DRAIN', 'working', 'draining'), edgeOf(flow, 'DRAINED', 'draining', 'stopped')].map(
      ({ count }) => count,
    ),
    [1, 1, 1],
  )
  assert.ok(edgeOf(flow, 'DRAIN', 'working', 'draining').p95_ms! > 0)
  assert.equal(edgeOf(flow, 'DECLARED_LOST', 'working', 'starting').count, 0)
  const [mover] = await moversOf(operator, 'worker', 'DRAINED', 'draining', 'stopped')
  assert.deepEqual([mover.worker, mover.count], [id, 1])
  const claims = await moversOf(operator, 'queue_supervisor', 'CLAIMED', 'claiming', 'waiting')
  assert.ok(
    claims.some(({ worker: of, detail, count }: { worker: number; detail: string; count: number }) => of === id && detail.endsWith(', default') && count > 0),
  )
})

test('tickets, their clocks and suggestions are listed by state and by edge, to their own organisation alone', async () => {
  await database.owner(
    `insert into sla_policies (organization_id, name, is_default, first_response_minutes, resolution_minutes) values ($1, 'p', true, '{"medium": 60}', '{"medium": 600}')`,
    [organization.id],
  )
  const worker = await testWorker(database)
  const ticket = (await agent.post('/tickets', { subject: 'The printer', description: 'd' })).body
  const of = async (client: Client, machine: string, state: string) =>
    (await standing(client, machine, state)).map((each: { ticket_number: number; subject: string; detail: string }) => [
      each.ticket_number,
      each.subject,
      each.detail,
    ])
  assert.deepEqual(await of(admin, 'ticket', 'new'), [[ticket.number, 'The printer', 'medium']])
  assert.deepEqual(await of(admin, 'sla_clock', 'pending'), [
    [ticket.number, 'The printer', 'first response'],
    [ticket.number, 'The printer', 'resolution'],
  ])
  const counts = async () => (await admin.get('/machines')).body.items.find(({ name }: { name: string }) => name === 'sla_clock').counts
  assert.equal((await counts()).pending, 2)

  await agent.post(`/tickets/${ticket.id}/accept`)
  await agent.post(`/tickets/${ticket.id}/assign`, { assignee_id: agent.user.id })
  await agent.post(`/tickets/${ticket.id}/status`, { status: 'in_progress' })
  const running = () => of(admin, 'sla_clock', 'running')
  await until(async () => (await running()).length === 2, 'both clocks run')
  await agent.post(`/tickets/${ticket.id}/status`, { status: 'waiting_customer' })
  await until(async () => (await of(admin, 'sla_clock', 'paused')).length === 2, 'both clocks stand')
  const flow = await flowOf(admin, 'sla_clock')
  const paused = edgeOf(flow, 'PAUSE', 'running', 'paused')
  assert.deepEqual([edgeOf(flow, 'START', 'pending', 'running').count, paused.count, edgeOf(flow, 'BREACH', 'running', 'breached').count], [2, 2, 0])
  assert.ok(paused.p95_ms! >= 0)
  const pausedClocks = await moversOf(admin, 'sla_clock', 'PAUSE', 'running', 'paused')
  const [moved] = await database.owner<{ at: Date }>('select max(at) as at from ticket_transitions where ticket_id = $1', [ticket.id])
  assert.deepEqual(
    pausedClocks.map(({ at }: { at: string }) => at),
    [moved!.at.toISOString(), moved!.at.toISOString()],
    'a clock pauses when its ticket does, not when somebody looks',
  )
  assert.equal((await moversOf(admin, 'ticket', 'ASK_CUSTOMER', 'in_progress', 'waiting_customer'))[0].ticket_id, ticket.id)

  await database.owner(
    `insert into ai_predictions (organization_id, ticket_id, field, value, confidence, mode, threshold, state, model, version, inputs_hash, is_live)
     values ($1, $2, 'category', '"x"', 0.9, 'suggest', 0.4, 'offered', 'm', '1', '\\x00', false)`,
    [organization.id, ticket.id],
  )
  assert.ok((await of(admin, 'suggestion', 'offered')).some(([number, , field]: unknown[]) => number === ticket.number && field === 'category'))
  for (const [machine, state] of Object.entries({ ticket: 'waiting_customer', sla_clock: 'paused', suggestion: 'offered' })) {
    assert.deepEqual(await standing(stranger, machine, state), [])
    assert.equal((await operator.get(`/machines/${machine}/standing?state=${state}`)).status, 404)
  }
  await worker.drain()
})

test('what no machine has is not found, and the actors are no tenant’s', async () => {
  for (const path of [
    'ticket/standing?state=asleep',
    'ticket/movers?event=ACCEPT&from=closed&to=new',
    'job/standing?state=queued',
    'constructor/standing?state=new',
  ]) {
    assert.equal((await admin.get(`/machines/${path}`)).status, 404, path)
  }
  assert.equal((await admin.get('/machines/worker/standing?state=working')).status, 404)
  assert.equal((await admin.get('/machines/worker/flow')).status, 404)
  assert.equal((await agent.get('/machines/ticket/standing?state=new')).status, 403)
})
