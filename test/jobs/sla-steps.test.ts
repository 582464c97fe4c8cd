import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { dueChecks } from '#db/sla-checks.ts'
import { slaCheck } from '#jobs/sla-check.ts'
import { metrics } from '#metrics.ts'
import { testDatabase } from '../support/database.ts'
import { explain } from '../support/plans.ts'
import { newTenant, newTicket, resultOf, runJob } from './run-job.ts'
import type { Tenant } from './run-job.ts'

const database = await testDatabase()
const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString()

/** Ten hours for a medium ticket and one for a high one, round the clock. */
async function tenantWith(policy: { warnings?: unknown; escalations?: unknown } = {}): Promise<Tenant> {
  const tenant = await newTenant(database)
  await database.owner(
    `insert into sla_policies (organization_id, name, is_default, first_response_minutes, resolution_minutes, warnings, escalations)
     values ($1, 'Standard', true, '{}', '{"medium":600,"high":60}', $2, $3)`,
    [tenant.id, JSON.stringify(policy.warnings ?? []), JSON.stringify(policy.escalations ?? [])],
  )
  return tenant
}
const openTicket = (tenant: Tenant, minutes: number, more: object = {}): Promise<string> =>
  newTicket(database, tenant, { subject: 'help', status: 'in_progress', sla_started_at: minutesAgo(minutes), ...more })
const check = (tenant: Tenant, ticket_id: string) => runJob(database, slaCheck, tenant.id, { ticket_id })
const taken = async (ticket: string): Promise<string[]> =>
  (await database.owner<{ step: string }>('select step from sla_steps_taken where ticket_id = $1 order by due_at, step', [ticket])).map(({ step }) => step)
const nextCheck = async (ticket: string): Promise<Date | null> =>
  (await database.owner<{ next_check_at: Date | null }>('select next_check_at from sla_checks where ticket_id = $1', [ticket]))[0]!.next_check_at

test('warnings, the breach and what follows it are each taken once, however many checks run at the same time', async () => {
  const tenant = await tenantWith({
    warnings: [{ percent: 50 }, { minutes_before: 60 }, { clock: 'first_response', percent: 10 }],
    escalations: [{ clock: 'resolution', minutes_after: 30, action: 'notify', to: 'managers' }],
  })
  await database.owner(`update users set role = 'manager' where id = $1`, [tenant.agent])
  const ticket = await openTicket(tenant, 640)
  await Promise.all(Array.from({ length: 5 }, () => check(tenant, ticket)))
  assert.deepEqual(await taken(ticket), ['warn percent 50', 'warn minutes_before 60', 'breach', 'notify managers minutes_after 30'])
  const audit = await database.owner<{ action: string }>('select action from audit_log where entity_id = $1 order by action', [ticket])
  assert.deepEqual(
    audit.map(({ action }) => action),
    ['ticket.sla_breach', 'ticket.sla_notify', 'ticket.sla_warn', 'ticket.sla_warn'],
  )
  const mails = await database.owner<{ payload: { to: string; subject: string } }>(
    `select payload from job_queue where job_type = 'SEND_EMAIL' and organization_id = $1`,
    [tenant.id],
  )
  assert.deepEqual(
    mails.map(({ payload }) => [payload.to, payload.subject]),
    [[`agent@${tenant.id}.test`, '[#1] resolution: help']],
  )
})

test('a check plans the next one for the instant at which something is due, and what happens meanwhile is looked at now', async () => {
  const tenant = await tenantWith({ warnings: [{ minutes_before: 599 }] })
  const ticket = await openTicket(tenant, 0)
  assert.ok((await nextCheck(ticket))! <= new Date())
  await check(tenant, ticket)
  const [row] = await database.owner<{ sla_started_at: Date }>('select sla_started_at from tickets where id = $1', [ticket])
  assert.equal((await nextCheck(ticket))!.getTime(), row!.sla_started_at.getTime() + 60_000)
  const planned = await database.owner<{ ahead: number }>(
    `select extract(epoch from run_after - now())::float8 as ahead from job_queue where job_type = 'SLA_CHECK' and payload ->> 'ticket_id' = $1`,
    [ticket],
  )
  assert.equal(planned.length, 1)
  assert.ok(planned[0]!.ahead > 30 && planned[0]!.ahead <= 60)
  await database.owner(`update tickets set priority = 'high' where id = $1`, [ticket])
  assert.ok((await nextCheck(ticket))! <= new Date())
})

test('a check that read before something happened does not put off the next one', async () => {
  const tenant = await tenantWith()
  const ticket = await openTicket(tenant, 10)
  await check(tenant, ticket)
  const bound = <T>(work: (tx: DatabaseTransactionConnection) => Promise<T>): Promise<T> => inOrganization(database.system, tenant.id, work)
  const job = {
    id: 1,
    organization_id: tenant.id,
    attempt: 1,
    payload: { ticket_id: ticket },
    signal: new AbortController().signal,
    progress: () => {},
    read: bound,
  }
  const outcome = await slaCheck.run(job)
  await database.owner(`insert into comments (organization_id, ticket_id, author_id, content) values ($1, $2, $3, 'hello')`, [
    tenant.id,
    ticket,
    tenant.customer,
  ])
  assert.ok(outcome.kind === 'succeed')
  await bound(outcome.writes!)
  assert.ok((await nextCheck(ticket))! <= new Date())
})

test('an escalation raises the priority once, and the shorter target counts from the original start', async () => {
  const tenant = await tenantWith({ escalations: [{ percent: 50, action: 'raise_priority', clock: 'resolution' }] })
  const ticket = await openTicket(tenant, 301)
  await check(tenant, ticket)
  assert.deepEqual(await database.owner('select priority from tickets where id = $1', [ticket]), [{ priority: 'high' }])
  await check(tenant, ticket)
  const [cycle] = await database.owner('select breach_reason, target_seconds, state from sla_cycles where ticket_id = $1', [ticket])
  assert.deepEqual(cycle, { breach_reason: 'retroactive', target_seconds: 3_600, state: 'breached' })
  assert.deepEqual(await taken(ticket), ['raise_priority percent 50', 'breach'])
  assert.deepEqual(await database.owner('select priority from tickets where id = $1', [ticket]), [{ priority: 'high' }])
})

test('the tick finds what is due by an index, in every organisation, and enqueues each instant once', async () => {
  const tenants = [await tenantWith(), await tenantWith()]
  const tickets = [await openTicket(tenants[0]!, 60), await openTicket(tenants[1]!, 60)]
  await runJob(database, slaCheck, null, {})
  await runJob(database, slaCheck, null, {})
  const jobs = await database.owner<{ organization_id: string; ticket: string }>(
    `select organization_id, payload ->> 'ticket_id' as ticket from job_queue where job_type = 'SLA_CHECK' and payload ->> 'ticket_id' = any($1)`,
    [tickets],
  )
  assert.deepEqual(jobs.map(({ ticket }) => ticket).toSorted(), tickets.toSorted())
  for (let index = 0; index < 300; index += 1) await openTicket(tenants[0]!, 5)
  await database.owner(`update sla_checks set next_check_at = now() + interval '1 day' where organization_id = $1`, [tenants[0]!.id])
  await database.owner('analyze sla_checks')
  const plan = await explain(database.system, (db) => dueChecks(db, 90, 1_000))
  assert.ok(plan.rowsRead('sla_checks') <= plan.rows, 'reads no more than what is due')
})

test('minutes to breach pass without anybody doing anything', async () => {
  const tenant = await tenantWith()
  const [near, paused] = [await openTicket(tenant, 550), await openTicket(tenant, 550)]
  await check(tenant, near)
  await database.owner(`update tickets set status = 'waiting_customer' where id = $1`, [paused])
  await check(tenant, paused)
  await database.owner('update tickets set time_to_breach_minutes = 99 where id = $1', [near])
  await runJob(database, slaCheck, null, {})
  const minutes = async (id: string) => (await database.owner('select time_to_breach_minutes as minutes from tickets where id = $1', [id]))[0]!['minutes']
  assert.ok(Math.abs((await minutes(near)) - 49.5) <= 0.5)
  assert.equal(await minutes(paused), null)
})

test('lateness and breaches are counted', async () => {
  const count = async (): Promise<[number, number]> => {
    const breaches = (await metrics.slaBreaches.get()).values.reduce((sum, { value }) => sum + value, 0)
    const checks = (await metrics.slaLateness.get()).values.find(({ metricName }) => metricName?.endsWith('_count'))!.value
    return [breaches, checks]
  }
  const tenant = await tenantWith()
  const ticket = await openTicket(tenant, 700)
  const [breaches, checks] = await count()
  assert.equal(resultOf(await check(tenant, ticket))['breached'], 1)
  await check(tenant, ticket)
  const after = await count()
  assert.equal(after[0], breaches + 1)
  assert.ok(after[1] > checks)
})

test('an organisation is planned anew in pieces, a job each, until every ticket was looked at', async () => {
  const tenant = await tenantWith({})
  const tickets = 450
  await database.owner(
    `insert into tickets (organization_id, number, requester_id, subject, description, status, sla_started_at, sla_policy_id)
     select $1, 1000 + n, $2, 'help', 'help', 'accepted', now(), (select id from sla_policies where organization_id = $1) from generate_series(1, $3::int) n`,
    [tenant.id, tenant.customer, tickets],
  )
  const pieces: unknown[] = []
  for (let payload: { after?: string } | undefined = {}; payload;) {
    pieces.push(resultOf(await runJob(database, slaCheck, tenant.id, payload))['checked'])
    const enqueued: { payload: { after: string } }[] = await database.owner(
      `select payload from job_queue where organization_id = $1 and job_type = 'SLA_CHECK' and payload ? 'after' order by id`,
      [tenant.id],
    )
    payload = enqueued[pieces.length - 1]?.payload
  }
  assert.deepEqual(pieces, [200, 200, 50])
  const [planned] = await database.owner<{ count: number }>('select count(*)::int from sla_checks where organization_id = $1 and next_check_at is not null', [
    tenant.id,
  ])
  assert.equal(planned!.count, tickets)
})
