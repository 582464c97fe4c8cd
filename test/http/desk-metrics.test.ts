import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase, until } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const empty = await createOrganization(database)
const agent = await clientOf(app, database, 'agent', organization)
const customer = await clientOf(app, database, 'customer_user', organization)
const beginner = await clientOf(app, database, 'manager', empty)

async function file(path: readonly string[], extra: Record<string, unknown> = {}): Promise<string> {
  const { id } = (await customer.post('/tickets', { subject: 's', description: 'd', ...extra })).body
  for (const status of path) await agent.post(`/tickets/${id}/status`, { status })
  return id
}

test('an organisation of which nothing is known has zeros where things are counted, and nulls where they are measured', async () => {
  const { status, body } = await beginner.get('/metrics/dashboard')
  assert.equal(status, 200)
  assert.deepEqual([body.open, body.open_by_status, body.unassigned], [0, {}, 0])
  assert.deepEqual(body.first_response_minutes, { p50: null, p95: null, sample: 0 })
  assert.deepEqual([body.resolution_minutes.p50, body.sla.compliance_pct, body.sla.overdue], [null, null, 0])
  assert.deepEqual(body.agents, [{ user_id: beginner.user.id, full_name: 'A manager', open: 0, overdue: 0 }])
  assert.deepEqual((await beginner.get('/metrics/history')).body.items, [])
  assert.equal((await beginner.get('/metrics/live')).body.open, 0)
})

test('the dashboard counts what is open, due and assigned, and measures what was answered and solved', async () => {
  await file([])
  const late = await file(['accepted', 'assigned'], { priority: 'urgent' })
  const soon = await file(['accepted'])
  await file(['cancelled'])
  const solved = await Promise.all([10, 20, 30].map(async (minutes) => [await file(['accepted', 'assigned', 'in_progress', 'resolved']), minutes] as const))
  await database.owner(`update tickets set sla_due_at = now() - interval '1 minute' where id = $1`, [late])
  await database.owner(`update tickets set sla_due_at = now() + interval '30 minutes' where id = $1`, [soon])
  for (const [id, minutes] of solved) {
    await agent.post(`/tickets/${id}/comments`, { content: 'Here you are' })
    await database.owner(`update tickets set created_at = resolved_at - make_interval(mins => $2) where id = $1`, [id, minutes])
    await database.owner(
      `update comments set created_at = (select created_at + interval '5 minutes' from tickets where tickets.id = ticket_id) where ticket_id = $1`,
      [id],
    )
  }
  const { body } = await agent.get('/metrics/dashboard')
  assert.deepEqual([body.open, body.unassigned, body.created_24h, body.resolved_24h], [3, 2, 7, 3])
  assert.deepEqual(body.open_by_status, { new: 1, accepted: 1, assigned: 1 })
  assert.deepEqual(body.open_by_priority, { medium: 2, urgent: 1 })
  assert.deepEqual([body.sla.overdue, body.sla.due_1h, body.sla.due_24h], [1, 1, 1])
  assert.deepEqual(body.resolution_minutes, { p50: 20, p95: 29, sample: 3 })
  assert.deepEqual(body.first_response_minutes, { p50: 5, p95: 5, sample: 3 })
  assert.deepEqual(
    body.agents.map(({ user_id, open, overdue }: Record<string, unknown>) => [user_id, open, overdue]),
    [[agent.user.id, 1, 1]],
  )
  const live = (await agent.get('/metrics/live')).body
  assert.deepEqual([live.open, live.new, live.unassigned, live.overdue], [3, 1, 2, 1])
  assert.ok(live.jobs.queued > 0 && live.last_event_id > 0)
})

test('live figures are shared for seconds, then read anew', async () => {
  const readings = await Promise.all(Array.from({ length: 20 }, async () => (await agent.get('/metrics/live')).body))
  assert.ok(new Set(readings.map(({ at }) => at)).size < readings.length / 2, 'those who ask at once share a reading')
  const [before] = readings
  await file([])
  await until(async () => (await agent.get('/metrics/live')).body.open === before.open + 1, 'a new reading')
})

test('a history has the last snapshot of each bucket, in order, and no others; buckets without one are left out', async () => {
  await database.owner(
    `insert into metrics_snapshots (organization_id, snapshot_ts, tickets_by_status, tickets_by_priority, mttr_p50)
     select $1, t, '{"new": 1}', '{}', extract(epoch from t) from generate_series('2026-03-01T00:00:00Z'::timestamptz, '2026-03-08T00:00:00Z', '5 minutes') t
      where extract(isodow from t) <> 3`,
    [organization.id],
  )
  const week = (await agent.get('/metrics/history?from=2026-03-01T00:00:00Z&to=2026-03-08T00:00:00Z')).body
  assert.equal(week.bucket_minutes, 55)
  assert.ok(week.items.length > 150 && week.items.length <= 200)
  const times = week.items.map(({ at }: { at: string }) => Date.parse(at))
  assert.deepEqual(
    times,
    times.toSorted((a: number, b: number) => a - b),
  )
  assert.ok(week.items.every(({ at, mttr_p50 }: { at: string; mttr_p50: number }) => Date.parse(at) === mttr_p50 * 1_000))
  assert.ok(!week.items.some(({ at }: { at: string }) => at.startsWith('2026-03-04')))
  const hour = (await agent.get('/metrics/history?to=2026-03-02T12:00:00Z&range=1h')).body
  assert.deepEqual([hour.bucket_minutes, hour.items.length, hour.items[0].at], [5, 12, '2026-03-02T11:00:00.000Z'])
  assert.deepEqual((await beginner.get('/metrics/history?from=2026-03-01T00:00:00Z&to=2026-03-08T00:00:00Z')).body.items, [])
  assert.equal((await agent.get('/metrics/history?from=2026-03-08T00:00:00Z&to=2026-03-01T00:00:00Z')).status, 400)
  assert.equal((await agent.get('/metrics/history?from=2026-03-08T00:00:00Z&range=1h')).status, 400)
})
