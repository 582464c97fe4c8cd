import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { PermanentFailure } from '#jobs/job-type.ts'
import { sentimentAnalysis } from '#jobs/sentiment-analysis.ts'
import { triageTicket } from '#jobs/triage-ticket.ts'
import { testDatabase } from '../support/database.ts'
import { newService, newTenant, newTicket, resultOf, runJob } from './run-job.ts'
import type { Tenant } from './run-job.ts'

const database = await testDatabase()

const SUBJECTS = {
  'Bicycle repair': [
    'the chain jumps off',
    'the front brake squeals',
    'a flat tyre on the rear wheel',
    'the gear shift is stuck',
    'spokes of the wheel are loose',
  ],
  Invoices: [
    'the invoice shows the wrong amount',
    'the receipt for March is missing',
    'charged twice this month',
    'change our billing address',
    'the tax rate on the bill',
  ],
}

async function learnedTenant(): Promise<Tenant> {
  const tenant = await newTenant(database)
  const repair = await newService(database, tenant, 'Bicycle repair', 'Brakes, chains, tyres, wheels and gears')
  const invoices = await newService(database, tenant, 'Invoices', 'Billing, receipts, payment and taxes')
  for (const [index, subject] of SUBJECTS['Bicycle repair'].entries()) {
    await newTicket(database, tenant, { subject, service_id: repair, tags: ['workshop'], status: 'resolved', assigned_to: index < 4 ? tenant.agent : null })
  }
  for (const subject of SUBJECTS.Invoices) await newTicket(database, tenant, { subject, service_id: invoices, tags: ['billing'], status: 'resolved' })
  return tenant
}

async function triageRow(ticketId: string): Promise<Record<string, unknown>> {
  const rows = await database.owner('select * from ticket_ai_triage where ticket_id = $1 and is_live', [ticketId])
  assert.equal(rows.length, 1)
  return rows[0]!
}

test('a ticket gets the category that like tickets have, with a confidence and the reasons', async () => {
  const tenant = await learnedTenant()
  const ticket = await newTicket(database, tenant, { subject: 'brake and chain', description: 'The brake squeals and the chain jumps off the wheel' })
  await runJob(database, triageTicket, tenant.id, { ticket_id: ticket })
  const row = await triageRow(ticket)
  assert.equal(row['suggested_category'], 'Bicycle repair')
  assert.ok(Number(row['category_confidence']) > 0.5 && Number(row['category_confidence']) <= 1)
  assert.deepEqual(row['suggested_tags'], ['workshop'])
  assert.equal(row['suggested_assignee_id'], tenant.agent)
  assert.equal(row['suggested_priority'], null, 'no agent has chosen a priority yet')
  assert.equal(row['priority_confidence'], null)
  const explanation = row['explanation'] as { category: { words: { words: string }[] }; nearest: unknown[] }
  assert.ok(explanation.category.words.some(({ words }) => /brake|chain|wheel/.test(words)))
  assert.ok(explanation.nearest.length > 0)
})

test('without services or known words there is no category and no confidence', async () => {
  const bare = await newTenant(database)
  const ticket = await newTicket(database, bare, { subject: 'anything at all' })
  await runJob(database, triageTicket, bare.id, { ticket_id: ticket })
  const row = await triageRow(ticket)
  assert.equal(row['suggested_category'], null)
  assert.equal(row['category_confidence'], null)
  assert.equal(row['confidence'], null)

  const tenant = await learnedTenant()
  const foreign = await newTicket(database, tenant, { subject: '???', description: '———' })
  await runJob(database, triageTicket, tenant.id, { ticket_id: foreign })
  assert.equal((await triageRow(foreign))['suggested_category'], null)
})

test('names and descriptions of services suffice for a first suggestion', async () => {
  const tenant = await newTenant(database)
  await newService(database, tenant, 'VPN access', 'Remote access, tunnels, certificates')
  await newService(database, tenant, 'Payroll', 'Salary, payslips, bonuses')
  await newService(database, tenant, 'Printers', 'Toner, paper jams, print queues')
  const ticket = await newTicket(database, tenant, { subject: 'VPN certificate', description: 'My VPN certificate for remote access has run out' })
  await runJob(database, triageTicket, tenant.id, { ticket_id: ticket })
  assert.equal((await triageRow(ticket))['suggested_category'], 'VPN access')
})

test('a new service is known at once, and a second run changes nothing', async () => {
  const tenant = await learnedTenant()
  const ticket = await newTicket(database, tenant, { subject: 'helmet rental', description: 'I want to rent a helmet and a child seat' })
  await runJob(database, triageTicket, tenant.id, { ticket_id: ticket })
  await newService(database, tenant, 'Accessory rental', 'Rent a helmet, a child seat or panniers')
  await runJob(database, triageTicket, tenant.id, { ticket_id: ticket })
  const first = await triageRow(ticket)
  assert.equal(first['suggested_category'], 'Accessory rental')
  await runJob(database, triageTicket, tenant.id, { ticket_id: ticket })
  const { updated_at: _first, ...before } = first
  const { updated_at: _second, ...after } = await triageRow(ticket)
  assert.deepEqual(after, before)
})

test('triage and sentiment share one row and leave each other their columns', async () => {
  const tenant = await learnedTenant()
  const ticket = await newTicket(database, tenant, {
    subject: 'Terrible chain!',
    description: 'The chain jumps off the wheel again. I hate this, it is awful!',
  })
  await runJob(database, sentimentAnalysis, tenant.id, { ticket_id: ticket })
  await runJob(database, triageTicket, tenant.id, { ticket_id: ticket })
  await runJob(database, sentimentAnalysis, tenant.id, { ticket_id: ticket })
  const row = await triageRow(ticket)
  assert.equal(row['suggested_category'], 'Bicycle repair')
  assert.equal(row['sentiment_label'], 'negative')
  assert.ok(Number(row['sentiment_score']) < -0.5)
  assert.deepEqual(Object.keys(row['explanation'] as object).toSorted(), ['assignee', 'category', 'learned_from', 'nearest', 'priority', 'sentiment', 'tags'])
})

test('an angry ticket is escalated by one step, once, and only where the organisation wants it', async () => {
  const tenant = await newTenant(database)
  const columns = { subject: 'Unacceptable!', description: 'This is the worst service ever, I am furious. Terrible, awful, useless!' }
  const calm = await newTicket(database, tenant, columns)
  await runJob(database, sentimentAnalysis, tenant.id, { ticket_id: calm })
  assert.deepEqual(await database.owner('select priority from tickets where id = $1', [calm]), [{ priority: 'medium' }])

  await database.owner('insert into org_settings (organization_id, auto_escalate_negative_sentiment) values ($1, true)', [tenant.id])
  const angry = await newTicket(database, tenant, columns)
  for (let run = 0; run < 2; run += 1) await runJob(database, sentimentAnalysis, tenant.id, { ticket_id: angry })
  assert.deepEqual(await database.owner('select priority from tickets where id = $1', [angry]), [{ priority: 'high' }])
  const audit = await database.owner(`select action, details->>'to_priority' as to_priority from audit_log where entity_id = $1`, [angry])
  assert.deepEqual(audit, [{ action: 'ticket.auto_escalate', to_priority: 'high' }])
})

test('an organisation that turned triage off gets no row, and a ticket of another fails for good', async () => {
  const tenant = await learnedTenant()
  await database.owner('insert into org_settings (organization_id, ai_triage_enabled) values ($1, false)', [tenant.id])
  const ticket = await newTicket(database, tenant, { subject: 'brake' })
  assert.match(String(resultOf(await runJob(database, triageTicket, tenant.id, { ticket_id: ticket }))['skipped']), /turned triage off/)
  assert.deepEqual(await database.owner('select id from ticket_ai_triage where ticket_id = $1', [ticket]), [])
  const other = await newTenant(database)
  await assert.rejects(runJob(database, triageTicket, other.id, { ticket_id: ticket }), PermanentFailure)
  await assert.rejects(runJob(database, triageTicket, other.id, { ticket_id: randomUUID() }), PermanentFailure)
})

test('in apply mode a new ticket takes the category over, with an audit row', async () => {
  const tenant = await learnedTenant()
  await database.owner(`insert into org_settings (organization_id, ai_category_mode) values ($1, 'apply')`, [tenant.id])
  const ticket = await newTicket(database, tenant, { subject: 'brake and chain', description: 'The brake squeals and the chain jumps off the wheel' })
  await runJob(database, triageTicket, tenant.id, { ticket_id: ticket })
  const [row] = await database.owner('select service.name, version from tickets join services service on service.id = service_id where tickets.id = $1', [
    ticket,
  ])
  assert.deepEqual(row, { name: 'Bicycle repair', version: 2 })
  assert.equal((await database.owner('select id from audit_log where entity_id = $1', [ticket])).length, 1)
})

test('a ticket that is like none of the organisation is left to a person, however sure the shares look', async () => {
  const tenant = await newTenant(database)
  for (const [service, subjects] of Object.entries(SUBJECTS)) {
    const id = await newService(database, tenant, service)
    for (const subject of subjects) {
      for (const ending of ['again', 'since Monday', 'after the winter']) {
        await newTicket(database, tenant, { subject: `${subject} ${ending}`, service_id: id, status: 'resolved' })
      }
    }
  }
  const foreign = await newTicket(database, tenant, {
    subject: 'wants to access delivery',
    description: 'hi team please add the employee to the mailing list of the programme, regards lead analyst',
  })
  await runJob(database, triageTicket, tenant.id, { ticket_id: foreign })
  const row = await triageRow(foreign)
  assert.equal(row['suggested_category'], null)
  assert.equal((row['explanation'] as { category: { reason: string } }).category.reason, 'unlike what was learned from')
})
