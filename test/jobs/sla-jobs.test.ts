import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slaCheck } from '#jobs/sla-check.ts'
import { slaPredict } from '#jobs/sla-predict.ts'
import { testDatabase } from '../support/database.ts'
import { newTenant, newTicket, resultOf, runJob } from './run-job.ts'
import type { Tenant } from './run-job.ts'

const database = await testDatabase()
const hoursAgo = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString()

async function tenantWithPolicy(): Promise<Tenant> {
  const tenant = await newTenant(database)
  await database.owner(
    `insert into sla_policies (organization_id, name, is_default, first_response_minutes, resolution_minutes)
     values ($1, 'Standard', true, '{"low":480,"medium":240,"high":60,"urgent":15}', '{"low":2880,"medium":600,"high":240,"urgent":60}')`,
    [tenant.id],
  )
  return tenant
}

async function figures(ticket: string): Promise<{ minutes: number | null; risk: number | null }> {
  const [row] = await database.owner<{ minutes: number | null; risk: number | null }>(
    'select time_to_breach_minutes as minutes, sla_risk_score as risk from tickets where id = $1',
    [ticket],
  )
  return row!
}

const cyclesOf = (ticket: string): Promise<Record<string, unknown>[]> =>
  database.owner('select clock, state, breach_reason, breached_at, due_at from sla_cycles where ticket_id = $1 order by clock', [ticket])

test('without a policy there is no time to breach and no risk', async () => {
  const tenant = await newTenant(database)
  const ticket = await newTicket(database, tenant, { subject: 'help' })
  const result = resultOf(await runJob(database, slaPredict, tenant.id, { ticket_id: ticket }))
  assert.deepEqual([result['basis'], await figures(ticket)], ['no_policy', { minutes: null, risk: null }])
})

test('with little history the risk is the share of the target that is used up', async () => {
  const tenant = await tenantWithPolicy()
  const ticket = await newTicket(database, tenant, { subject: 'help', status: 'in_progress', sla_started_at: hoursAgo(5) })
  const result = resultOf(await runJob(database, slaPredict, tenant.id, { ticket_id: ticket }))
  const { minutes, risk } = await figures(ticket)
  assert.equal(result['basis'], 'elapsed_share')
  assert.ok(Math.abs(minutes! - 300) <= 1)
  assert.ok(Math.abs(risk! - 0.5) < 0.01)
  const waiting = await newTicket(database, tenant, { subject: 'not accepted yet' })
  await runJob(database, slaPredict, tenant.id, { ticket_id: waiting })
  assert.deepEqual(await figures(waiting), { minutes: null, risk: 0 })
})

test('with enough history the risk is what became of clocks that had got as far', async () => {
  const tenant = await tenantWithPolicy()
  for (let index = 0; index < 40; index += 1) {
    const ticket = await newTicket(database, tenant, { subject: 'old', status: 'closed' })
    const [state, elapsed] = index < 30 ? ['met', 30_000] : ['missed', 40_000]
    await database.owner(
      `insert into sla_cycles (organization_id, ticket_id, clock, state, priority, target_seconds, elapsed_seconds, started_at, fulfilled_at)
       values ($1, $2, 'resolution', $3, 'medium', 36000, $4, now() - interval '1 day', now())`,
      [tenant.id, ticket, state, elapsed],
    )
  }
  const ticket = await newTicket(database, tenant, { subject: 'help', status: 'in_progress', sla_started_at: hoursAgo(5) })
  const result = resultOf(await runJob(database, slaPredict, tenant.id, { ticket_id: ticket }))
  assert.equal(result['basis'], 'history')
  assert.equal(result['history_rows'], 40)
  assert.ok(Math.abs((await figures(ticket)).risk! - 11 / 42) < 1e-6)
})

test('a breach is recorded once, at the time it happened, and stays when the target grows', async () => {
  const tenant = await tenantWithPolicy()
  const started = hoursAgo(12)
  const ticket = await newTicket(database, tenant, { subject: 'help', status: 'in_progress', sla_started_at: started })
  await runJob(database, slaCheck, tenant.id, {})
  const first = await cyclesOf(ticket)
  assert.deepEqual(
    first.map(({ clock, state, breach_reason }) => [clock, state, breach_reason]),
    [
      ['first_response', 'breached', 'due'],
      ['resolution', 'breached', 'due'],
    ],
  )
  assert.equal((first[1]!['breached_at'] as Date).getTime(), Date.parse(started) + 600 * 60_000)
  assert.equal((await figures(ticket)).minutes, 0)
  await database.owner(`update tickets set priority = 'low' where id = $1`, [ticket])
  await runJob(database, slaCheck, tenant.id, {})
  const [, resolution] = await cyclesOf(ticket)
  assert.deepEqual([resolution!['breached_at'], resolution!['state']], [first[1]!['breached_at'], 'breached'])
})

test('waiting for the customer stops the clock, a public reply of an agent meets the first response, an internal note does not', async () => {
  const tenant = await tenantWithPolicy()
  const ticket = await newTicket(database, tenant, { subject: 'help', status: 'in_progress', sla_started_at: hoursAgo(1) })
  const say = (internal: boolean): Promise<unknown> =>
    database.owner(`insert into comments (organization_id, ticket_id, author_id, content, is_internal) values ($1, $2, $3, 'hello', $4)`, [
      tenant.id,
      ticket,
      tenant.agent,
      internal,
    ])
  await say(true)
  await database.owner(`update tickets set status = 'waiting_customer' where id = $1`, [ticket])
  await runJob(database, slaCheck, tenant.id, { ticket_id: ticket })
  assert.deepEqual(
    (await cyclesOf(ticket)).map(({ clock, state }) => [clock, state]),
    [
      ['first_response', 'paused'],
      ['resolution', 'paused'],
    ],
  )
  assert.deepEqual(await database.owner('select sla_due_at, time_to_breach_minutes from tickets where id = $1', [ticket]), [
    { sla_due_at: null, time_to_breach_minutes: null },
  ])
  await say(false)
  await database.owner(`update tickets set status = 'resolved', resolved_at = now() where id = $1`, [ticket])
  for (let run = 0; run < 2; run += 1) await runJob(database, slaCheck, tenant.id, {})
  assert.deepEqual(
    (await cyclesOf(ticket)).map(({ clock, state }) => [clock, state]),
    [
      ['first_response', 'met'],
      ['resolution', 'met'],
    ],
  )
  assert.deepEqual(resultOf(await runJob(database, slaCheck, tenant.id, {})), { checked: 0, breached: 0 })
})
