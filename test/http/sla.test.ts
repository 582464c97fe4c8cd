import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
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

const office = { tz: 'Europe/Berlin', week: { mon: [['09:00', '17:00']], tue: [['09:00', '17:00']] }, holidays: [], special: {} }
const name = () => `n ${randomUUID()}`
const checks = async (): Promise<number> =>
  (await database.owner(`select from job_queue where job_type = 'SLA_CHECK' and payload = '{}' and organization_id = $1`, [organization.id])).length

test('a calendar is written, read, changed and deleted, each change audited and the clocks planned anew', async () => {
  const made = await manager.post('/sla/calendars', { name: name(), definition: office })
  assert.deepEqual([made.status, made.body.definition], [201, office])
  const path = `/sla/calendars/${made.body.id}`
  assert.deepEqual((await agent.get(path)).body, made.body)
  const before = await checks()
  const closed = await manager.patch(path, { definition: { ...office, holidays: ['2026-12-25'] } })
  assert.deepEqual([closed.status, closed.body.definition.holidays, await checks()], [200, ['2026-12-25'], before + 1])
  assert.equal((await manager.post('/sla/calendars', { name: made.body.name, definition: office })).status, 409)
  assert.equal((await manager.delete(path)).status, 204)
  assert.equal((await agent.get(path)).status, 404)
  const audit = await database.owner(`select action from audit_log where entity_id = $1 order by id`, [made.body.id])
  assert.deepEqual(
    audit.map(({ action }) => action),
    ['sla_calendar.create', 'sla_calendar.update', 'sla_calendar.delete'],
  )
})

const wrong: [string, object, string][] = [
  ['no open interval', { tz: 'UTC', week: {} }, 'definition'],
  ['an unknown zone', { ...office, tz: 'Europe/Atlantis' }, 'definition.tz'],
  ['an interval that ends before it begins', { ...office, week: { mon: [['17:00', '09:00']] } }, 'definition.week.mon'],
  [
    'intervals that overlap',
    {
      ...office,
      week: {
        mon: [
          ['09:00', '12:00'],
          ['11:00', '17:00'],
        ],
      },
    },
    'definition.week.mon',
  ],
  ['a date that is none', { ...office, holidays: ['2026-02-30'] }, 'definition.holidays.0'],
]
for (const [what, definition, path] of wrong) {
  test(`a calendar with ${what} is refused when written`, async () => {
    const { status, body } = await manager.post('/sla/calendars', { name: name(), definition })
    assert.deepEqual([status, body.errors[0].path], [422, path])
  })
}

test('a policy with a target of nothing, of an unknown priority or under a foreign calendar is refused', async () => {
  const foreign = (await stranger.post('/sla/calendars', { name: name(), definition: office })).body.id
  const refused = async (more: object) => {
    const { status, body } = await manager.post('/sla/policies', { name: name(), resolution_minutes: { low: 60 }, ...more })
    return [status, body.errors[0].path]
  }
  assert.deepEqual(await refused({ resolution_minutes: { low: 0 } }), [422, 'resolution_minutes.low'])
  assert.deepEqual(await refused({ first_response_minutes: { high: -1 } }), [422, 'first_response_minutes.high'])
  assert.deepEqual(await refused({ resolution_minutes: { extreme: 5 } }), [422, 'resolution_minutes'])
  assert.deepEqual(await refused({ calendar_id: foreign }), [422, 'calendar_id'])
})

test('the default policy gives way to a new one; a policy or calendar in use stays', async () => {
  const calendar = (await manager.post('/sla/calendars', { name: name(), definition: office })).body
  const first = (await manager.post('/sla/policies', { name: name(), is_default: true, resolution_minutes: { medium: 60 }, calendar_id: calendar.id })).body
  const ticket = (await customer.post('/tickets', { subject: 's', description: 'd' })).body.id
  await agent.post(`/tickets/${ticket}/accept`)
  const second = (await manager.post('/sla/policies', { name: name(), resolution_minutes: { medium: 90 } })).body
  assert.equal((await manager.patch(`/sla/policies/${second.id}`, { is_default: true })).body.is_default, true)
  assert.equal((await agent.get(`/sla/policies/${first.id}`)).body.is_default, false)
  assert.equal((await manager.delete(`/sla/policies/${first.id}`)).status, 409)
  assert.equal((await manager.delete(`/sla/calendars/${calendar.id}`)).status, 409)
  assert.equal((await manager.delete(`/sla/policies/${second.id}`)).status, 204)
})

test('policies and calendars are those of the own organisation, kept by managers and admins, page by page', async () => {
  const calendar = (await manager.post('/sla/calendars', { name: name(), definition: office })).body
  const policy = (await manager.post('/sla/policies', { name: name(), resolution_minutes: { medium: 60 } })).body
  for (const path of [`/sla/calendars/${calendar.id}`, `/sla/policies/${policy.id}`]) {
    assert.equal((await stranger.get(path)).status, 404)
    assert.equal((await stranger.patch(path, { name: 'mine' })).status, 404)
    assert.equal((await stranger.delete(path)).status, 404)
    assert.equal((await agent.patch(path, { name: 'mine' })).status, 403)
    assert.equal((await customer.get(path)).status, 403)
  }
  const all = (await agent.get('/sla/policies')).body.items.map((each: { name: string }) => each.name)
  const pages = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body } = await agent.get(`/sla/policies?limit=1${cursor ? `&cursor=${cursor}` : ''}`)
    pages.push(...body.items.map((each: { name: string }) => each.name))
    cursor = body.next_cursor
  }
  assert.deepEqual(pages, all)
})

test('a simulated clock says when, how much and why; what cannot be counted is named', async () => {
  const asked = {
    calendar: { tz: 'Europe/Berlin', week: { fri: [['09:00', '17:00']], mon: [['09:00', '17:00']] } },
    start: '2026-06-12T16:00:00+02:00',
    target_minutes: 120,
    pauses: [{ from: '2026-06-12T16:30:00+02:00', to: '2026-06-12T16:45:00+02:00' }],
    warn_percent: [50],
    warn_minutes_before: [30],
  }
  const { status, body } = await agent.post('/sla/simulate', asked)
  assert.equal(status, 200)
  assert.equal(body.due_at, '2026-06-15T08:15:00Z')
  assert.deepEqual([body.cycles, body.breached_at], [1, null])
  assert.deepEqual(body.warnings, [
    { percent: 50, at: '2026-06-15T07:15:00Z' },
    { minutes_before: 30, at: '2026-06-15T07:45:00Z' },
  ])
  assert.equal(
    body.intervals.reduce((sum: number, each: { counted_seconds: number }) => sum + each.counted_seconds, 0),
    7_200,
  )
  const refused = await agent.post('/sla/simulate', { ...asked, target_minutes: 0 })
  assert.deepEqual([refused.status, refused.body.errors[0].path], [400, 'target_minutes'])
  assert.equal((await agent.post('/sla/simulate', { ...asked, calendar: { tz: 'UTC', week: {} } })).status, 400)
  const halves = Array.from({ length: 24 }, (_, hour) => String(hour).padStart(2, '0')).map((hour) => [`${hour}:00`, `${hour}:30`])
  const restless = { tz: 'UTC', week: { mon: halves, tue: halves, wed: halves, thu: halves, fri: halves } }
  assert.equal((await agent.post('/sla/simulate', { ...asked, calendar: restless, end: '2027-06-12T16:00:00Z' })).status, 200)
  for (const more of [{ end: '2060-06-12T16:00:00Z' }, {}]) {
    const { status, body } = await agent.post('/sla/simulate', { ...asked, calendar: restless, ...more })
    assert.deepEqual([status, body.errors[0].path], [422, 'end'])
  }
})

test('the clocks of a ticket are told with what was counted, also when a pause and an answer came in between', async () => {
  const policy = (
    await manager.post('/sla/policies', { name: name(), is_default: true, first_response_minutes: { medium: 60 }, resolution_minutes: { medium: 600 } })
  ).body
  const { id } = (await customer.post('/tickets', { subject: 's', description: 'd' })).body
  const fresh = (await customer.get(`/tickets/${id}/sla`)).body
  assert.deepEqual([fresh.started_at, fresh.due_at, fresh.cycles, fresh.risk, fresh.risk_basis], [null, null, [], null, 'no_running_clock'])
  await agent.post(`/tickets/${id}/accept`)
  await database.owner(`update tickets set sla_started_at = now() - interval '5 hours' where id = $1`, [id])
  await agent.post(`/tickets/${id}/comments`, { content: 'On it' })
  const { body } = await agent.get(`/tickets/${id}/sla`)
  assert.deepEqual(body.policy, { id: policy.id, name: policy.name, calendar_id: null })
  assert.deepEqual(
    body.cycles.map((cycle: { clock: string; state: string; breach_reason: string | null }) => [cycle.clock, cycle.state, cycle.breach_reason]),
    [
      ['first_response', 'missed', 'due'],
      ['resolution', 'running', null],
    ],
  )
  assert.ok(Math.abs(body.remaining_seconds - 18_000) < 60 && Math.abs(body.risk - 0.5) < 0.01)
  assert.equal(body.risk_basis, 'elapsed_share')
  assert.equal(body.intervals.length, 1)
  assert.ok(Math.abs(body.intervals[0].counted_seconds - body.elapsed_seconds) < 1)
  assert.deepEqual(
    body.cycles[1].warnings.map((warning: { percent: number }) => warning.percent),
    [50, 75],
  )
  for (const status of ['assigned', 'in_progress', 'waiting_customer']) await agent.post(`/tickets/${id}/status`, { status })
  const waiting = (await agent.get(`/tickets/${id}/sla`)).body
  assert.deepEqual([waiting.due_at, waiting.cycles[1].state, waiting.time_to_breach_minutes], [null, 'paused', null])
  assert.ok(Math.abs(waiting.remaining_seconds - 18_000) < 60)
  assert.equal((await stranger.get(`/tickets/${id}/sla`)).status, 404)
})

test('predictions are those of open tickets, the likeliest breach first, page by page', async () => {
  const own = await createOrganization(database)
  const admin = await clientOf(app, database, 'admin', own)
  const numbers: number[] = []
  for (const risk of [0.2, 0.9, 0.9, null]) {
    const { id, number } = (await admin.post('/tickets', { subject: 's', description: 'd' })).body
    await admin.post(`/tickets/${id}/accept`)
    await database.owner('update tickets set sla_risk_score = $2 where id = $1', [id, risk])
    numbers.push(number)
  }
  const seen: number[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body } = await admin.get(`/ai/sla/predictions?limit=1${cursor ? `&cursor=${cursor}` : ''}`)
    seen.push(...body.items.map((item: { number: number }) => item.number))
    cursor = body.next_cursor
  }
  assert.deepEqual(seen, [numbers[1], numbers[2], numbers[0]])
  assert.deepEqual((await stranger.get('/ai/sla/predictions')).body.items, [])
  assert.equal((await customer.get('/ai/sla/predictions')).status, 403)
})
