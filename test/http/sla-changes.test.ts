import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { testDatabase, until } from '../support/database.ts'
import { testWorker } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const manager = await clientOf(app, database, 'manager', organization)

const name = () => `n ${randomUUID()}`
const always = { tz: 'UTC', week: Object.fromEntries(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'].map((day) => [day, [['00:00', '24:00']]])) }

async function acceptedTicket(): Promise<string> {
  const { id } = (await customer.post('/tickets', { subject: 's', description: 'd' })).body
  assert.equal((await agent.post(`/tickets/${id}/accept`)).status, 200)
  return id
}

interface Cycle {
  clock: string
  cycle: number
  state: string
  breach_reason: string | null
}
const cyclesOf = async (id: string): Promise<Cycle[]> => (await agent.get(`/tickets/${id}/sla`)).body.cycles

test('a change of a policy is shown before it is saved, and then records what the preview said', async () => {
  const calendar = (await manager.post('/sla/calendars', { name: name(), definition: always })).body
  const policy = (await manager.post('/sla/policies', { name: name(), is_default: true, calendar_id: calendar.id, resolution_minutes: { medium: 600 } })).body
  assert.deepEqual([policy.pause_states, policy.reopen_mode, policy.warnings], [['waiting_customer'], 'resume', [{ percent: 50 }, { percent: 75 }]])
  const id = await acceptedTicket()
  await database.owner(`update tickets set sla_started_at = now() - interval '5 hours' where id = $1`, [id])
  const before = (await agent.get(`/tickets/${id}/sla`)).body
  const preview = await manager.post(`/sla/policies/${policy.id}/preview`, { resolution_minutes: { medium: 60 } })
  assert.equal(preview.status, 200)
  assert.deepEqual([preview.body.changed, preview.body.earlier, preview.body.breaches, preview.body.complete], [1, 1, 1, true])
  assert.deepEqual([preview.body.items[0].ticket_id, preview.body.items[0].due_before, preview.body.items[0].breaches], [id, before.due_at, true])
  assert.equal((await agent.get(`/tickets/${id}/sla`)).body.due_at, before.due_at)
  assert.equal((await manager.patch(`/sla/policies/${policy.id}`, { resolution_minutes: { medium: 60 } })).status, 200)
  const after = (await agent.get(`/tickets/${id}/sla`)).body
  assert.equal(after.due_at, preview.body.items[0].due_after)
  const { state, breach_reason } = after.cycles[0]
  assert.deepEqual([state, breach_reason], ['breached', 'retroactive'])
  assert.ok(Math.abs(Date.parse(after.breached_at) - Date.now()) < 60_000)
  assert.deepEqual(
    after.terms.map((term: { resolution_seconds: number }) => term.resolution_seconds),
    [36_000, 3_600],
  )
})

test('a holiday is previewed by what it does to the clocks of all policies that count by the calendar', async () => {
  const calendar = (await manager.post('/sla/calendars', { name: name(), definition: always })).body
  await manager.post('/sla/policies', { name: name(), is_default: true, calendar_id: calendar.id, resolution_minutes: { medium: 600 } })
  const id = await acceptedTicket()
  const days = [0, 1].map((ahead) => Temporal.Now.plainDateISO('UTC').add({ days: ahead }).toString())
  const definition = { ...always, holidays: days }
  const preview = (await manager.post(`/sla/calendars/${calendar.id}/preview`, { definition })).body
  const item = preview.items.find((each: { ticket_id: string }) => each.ticket_id === id)
  assert.ok(Date.parse(item.due_after) > Date.parse(item.due_before))
  assert.ok(preview.later >= 1 && preview.breaches === 0)
  await manager.patch(`/sla/calendars/${calendar.id}`, { definition })
  assert.equal((await agent.get(`/tickets/${id}/sla`)).body.due_at, item.due_after)
  assert.equal((await agent.post(`/sla/calendars/${calendar.id}/preview`, { definition })).status, 403)
  assert.equal((await manager.post(`/sla/calendars/${randomUUID()}/preview`, { definition })).status, 404)
  assert.equal((await manager.post(`/sla/calendars/${calendar.id}/preview`, { definition: { tz: 'UTC', week: {} } })).status, 422)
})

const wrong: [string, object, string][] = [
  ['a warning at more than the target', { warnings: [{ percent: 120 }] }, 'warnings.0.percent'],
  ['a warning without an instant', { warnings: [{ clock: 'resolution' }] }, 'warnings.0'],
  ['an escalation that tells nobody', { escalations: [{ clock: 'resolution', percent: 50, action: 'notify' }] }, 'escalations.0'],
  ['an unknown action', { escalations: [{ clock: 'resolution', percent: 50, action: 'explode' }] }, 'escalations.0.action'],
  ['a next response of nothing', { next_response_minutes: { low: 0 } }, 'next_response_minutes.low'],
]
for (const [what, rules, path] of wrong) {
  test(`a policy with ${what} is refused when written`, async () => {
    const { status, body } = await manager.post('/sla/policies', { name: name(), resolution_minutes: { low: 60 }, ...rules })
    assert.deepEqual([status, body.errors[0].path], [422, path])
  })
}

test('next response and first response are told with their pauses; a second cycle follows a reopening where the policy says so', async () => {
  await manager.post('/sla/policies', {
    name: name(),
    is_default: true,
    first_response_minutes: { medium: 30 },
    next_response_minutes: { medium: 20 },
    resolution_minutes: { medium: 600 },
    reopen_mode: 'new_cycle',
  })
  const id = await acceptedTicket()
  await agent.post(`/tickets/${id}/comments`, { content: 'note', is_internal: true })
  await agent.post(`/tickets/${id}/comments`, { content: 'hello' })
  await customer.post(`/tickets/${id}/comments`, { content: 'and now?' })
  for (const status of ['assigned', 'in_progress', 'waiting_customer', 'in_progress', 'resolved', 'in_progress']) {
    assert.equal((await agent.post(`/tickets/${id}/status`, { status })).status, 200)
  }
  const { body } = await agent.get(`/tickets/${id}/sla`)
  assert.deepEqual(
    body.cycles.map(({ clock, cycle, state }: Cycle) => [clock, cycle, state]),
    [
      ['first_response', 1, 'met'],
      ['next_response', 1, 'running'],
      ['resolution', 1, 'met'],
      ['resolution', 2, 'running'],
    ],
  )
  assert.deepEqual(
    body.cycles[1].pauses.map(({ reason }: { reason: string }) => reason),
    ['waiting_customer', 'resolved'],
  )
})

test('a running worker records a breach and a warning at their own time, not at the next tick', async () => {
  const worker = await testWorker(database)
  try {
    await manager.post('/sla/policies', { name: name(), is_default: true, resolution_minutes: { medium: 0.05 }, warnings: [{ percent: 50 }] })
    const id = await acceptedTicket()
    const steps = () =>
      database.owner<{ step: string; late: number }>(
        'select step, extract(epoch from taken_at - due_at)::float8 as late from sla_steps_taken where ticket_id = $1 order by due_at',
        [id],
      )
    await until(async () => (await steps()).length === 2, 'a warning and a breach')
    const rows = await steps()
    assert.deepEqual(
      rows.map(({ step }) => step),
      ['warn percent 50', 'breach'],
    )
    for (const { step, late } of rows) assert.ok(late >= 0 && late < 30, `${step} was ${late} s late`)
    await until(async () => (await cyclesOf(id)).some(({ state }) => state === 'breached'), 'the cycle is breached')
    const { body } = await agent.get(`/tickets/${id}`)
    await until(async () => (await agent.get(`/tickets/${id}`)).body.sla_risk_score === 1, 'the risk is certain')
    assert.equal(body.time_to_breach_minutes, 0)
  } finally {
    await worker.drain()
  }
})

test('a ticket is put under another policy, and its clocks count by it from their original start', async () => {
  const [first, second] = [
    (await manager.post('/sla/policies', { name: name(), is_default: true, resolution_minutes: { medium: 600 } })).body,
    (await manager.post('/sla/policies', { name: name(), resolution_minutes: { medium: 60 } })).body,
  ]
  const id = await acceptedTicket()
  await database.owner(`update tickets set sla_started_at = now() - interval '2 hours' where id = $1`, [id])
  const { status, body } = await agent.patch(`/tickets/${id}/sla`, { policy_id: second.id })
  assert.deepEqual([status, body.policy.id, body.cycles[0].state, body.cycles[0].breach_reason], [200, second.id, 'breached', 'retroactive'])
  assert.ok(Math.abs(body.elapsed_seconds - 7_200) < 60)
  assert.deepEqual(
    body.terms.map((term: { policy_id: string }) => term.policy_id),
    [first.id, second.id],
  )
  assert.equal((await agent.get(`/tickets/${id}`)).body.time_to_breach_minutes, 0)
  assert.equal((await agent.patch(`/tickets/${id}/sla`, { policy_id: randomUUID() })).status, 422)
  assert.equal((await customer.patch(`/tickets/${id}/sla`, { policy_id: second.id })).status, 403)
})
