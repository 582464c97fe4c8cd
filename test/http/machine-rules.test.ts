import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { unfollowedLogs } from '#db/events.ts'
import type { OrganizationRow } from '#db/organizations.ts'
import { inOrganization } from '#db/pool.ts'
import { sql } from '#db/sql.ts'
import { applyTriage, escalateForSentiment, upsertSentiment } from '#db/triage.ts'
import { MACHINE_RUNS_MAX } from '#http/machine-rules.ts'
import { slaCheck } from '#jobs/sla-check.ts'
import { runJob } from '../jobs/run-job.ts'
import { testDatabase, until } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const always = { field: 'number', op: 'gt', value: 0 }

interface Desk {
  organization: OrganizationRow
  agent: Client
  manager: Client
  /** A ticket on which somebody works since so many minutes. */
  working(minutes: number): Promise<string>
}

async function newDesk(rules: object[]): Promise<Desk> {
  const organization = await createOrganization(database)
  const [agent, manager] = [await clientOf(app, database, 'agent', organization), await clientOf(app, database, 'manager', organization)]
  for (const [position, rule] of rules.entries()) {
    assert.equal((await manager.post('/rules', { name: `Rule ${position}`, position, condition: always, ...rule })).status, 201)
  }
  const working = async (minutes: number): Promise<string> => {
    const { body } = await agent.post('/tickets', { subject: 'help', description: 'help' })
    await database.owner(`update tickets set status = 'in_progress', sla_started_at = now() - make_interval(mins => $2) where id = $1`, [body.id, minutes])
    return body.id
  }
  return { organization, agent, manager, working }
}

/** Waits until rules have run on all that jobs and clocks did. */
async function ruled(): Promise<void> {
  await until(async () => {
    if ((await unfollowedLogs(database.system, 1)).length > 0) return false
    return (await database.owner('select from ticket_rule_events')).length === 0
  }, 'rules have run')
}

const runsOf = (ticket: string) =>
  database.owner<{ actor_id: string | null; details: { rule?: { name: string }; cause?: { action: string }; skipped?: string } }>(
    `select actor_id, details from audit_log where entity_id = $1 and action = 'rule.run' order by id`,
    [ticket],
  )
const tagsOf = async (desk: Desk, ticket: string): Promise<string[]> => (await desk.agent.get(`/tickets/${ticket}`)).body.tags.toSorted()

test('a warning, a breach and an escalation of a clock each run the rules that wait for them, once, by nobody', async () => {
  const desk = await newDesk([
    { events: ['sla_warned'], actions: [{ type: 'add_tags', tags: ['warned'] }] },
    {
      events: ['sla_breached'],
      actions: [
        { type: 'add_tags', tags: ['late'] },
        { type: 'notify', to: 'requester', subject: 's', content: '{{ticket.number}}' },
      ],
    },
    { events: ['sla_escalated'], actions: [{ type: 'add_tags', tags: ['escalated'] }] },
    { events: ['updated'], condition: { field: 'priority', op: 'eq', value: 'high' }, actions: [{ type: 'add_tags', tags: ['raised'] }] },
    { events: ['sla_breached'], is_active: false, actions: [{ type: 'add_tags', tags: ['never'] }] },
  ])
  await database.owner(
    `insert into sla_policies (organization_id, name, is_default, first_response_minutes, resolution_minutes, warnings, escalations)
     values ($1, 'Standard', true, '{}', '{"medium":600,"high":600,"urgent":600}', '[{"percent":50}]', '[{"clock":"resolution","minutes_after":10,"action":"raise_priority"}]')`,
    [desk.organization.id],
  )
  const ticket = await desk.working(640)
  for (let n = 0; n < 2; n += 1) await runJob(database, slaCheck, desk.organization.id, { ticket_id: ticket })
  await ruled()
  assert.deepEqual(await tagsOf(desk, ticket), ['escalated', 'late', 'raised', 'warned'])
  const runs = await runsOf(ticket)
  assert.deepEqual(runs.map(({ details }) => `${details.rule!.name}: ${details.cause!.action}`).toSorted(), [
    'Rule 0: ticket.sla_warn',
    'Rule 1: ticket.sla_breach',
    'Rule 2: ticket.sla_raise_priority',
    'Rule 3: ticket.sla_raise_priority',
  ])
  assert.ok(runs.every(({ actor_id }) => actor_id === null))
  const mails = await database.owner(`select from job_queue where job_type = 'SEND_EMAIL' and organization_id = $1`, [desk.organization.id])
  assert.equal(mails.length, 1)
})

test('what triage writes and a raised priority are updates; what a rule then does is none', async () => {
  const desk = await newDesk([
    { events: ['updated'], condition: { field: 'tags', op: 'has', value: 'found' }, actions: [{ type: 'set_priority', priority: 'low' }] },
    { events: ['updated'], condition: { field: 'priority', op: 'eq', value: 'urgent' }, actions: [{ type: 'add_tags', tags: ['hot'] }] },
    { events: ['updated'], condition: { field: 'tags', op: 'has', value: 'hot' }, actions: [{ type: 'set_priority', priority: 'high' }] },
  ])
  const [one, two] = [
    (await desk.agent.post('/tickets', { subject: 's', description: 'd' })).body.id,
    (await desk.agent.post('/tickets', { subject: 's', description: 'd', priority: 'high' })).body.id,
  ]
  await inOrganization(database.system, desk.organization.id, async (tx) => {
    await applyTriage(tx, one, { category: null, priority: 'high', tags: ['found'], assignee: null })
    await upsertSentiment(tx, { ticket_id: two, label: 'negative', score: -1, confidence: 1, explanation: {}, model_id: 'test' })
    await escalateForSentiment(tx, two, { score: -1, confidence: 1, threshold: 0.7, job_id: 1 })
  })
  await ruled()
  const [first, second] = [(await desk.agent.get(`/tickets/${one}`)).body, (await desk.agent.get(`/tickets/${two}`)).body]
  assert.deepEqual([first.tags, first.priority], [['found'], 'low'])
  assert.deepEqual([second.tags, second.priority], [['hot'], 'high'])
  assert.deepEqual(
    (await runsOf(two)).map(({ details }) => details.rule!.name),
    ['Rule 1', 'Rule 2'],
  )
})

test('rules and machines that undo each other end after a bounded number of runs, with a word in the history', async () => {
  const desk = await newDesk([{ events: ['updated'], actions: [{ type: 'notify', to: 'requester', subject: 's', content: 'c' }] }])
  const { id } = (await desk.agent.post('/tickets', { subject: 's', description: 'd' })).body
  await inOrganization(database.system, desk.organization.id, (tx) =>
    tx.query(sql.unsafe`
      insert into audit_log (organization_id, action, entity_type, entity_id, details)
      select ${desk.organization.id}::uuid, 'ticket.auto_escalate', 'ticket', ${id}::text, '{}' from generate_series(1, ${MACHINE_RUNS_MAX + 3}::int)`),
  )
  await ruled()
  const runs = await runsOf(id)
  assert.equal(runs.filter(({ details }) => details.cause).length, MACHINE_RUNS_MAX)
  assert.equal(runs.filter(({ details }) => /within an hour/.test(details.skipped ?? '')).length, 3)
})

test('an event on which rules fail again and again is left in the end, with a word in the history, and holds up no other', async () => {
  const desk = await newDesk([])
  const { id } = (await desk.agent.post('/tickets', { subject: 's', description: 'd' })).body
  await database.owner(
    `insert into ticket_rules (organization_id, name, events, condition, actions) values ($1, 'Of another version', '{updated}', '{"field":"number","op":"gt","value":0}', '[{"type":"unknown"}]')`,
    [desk.organization.id],
  )
  await database.owner(
    `insert into ticket_rule_events (organization_id, event_id, ticket_id, action, events, attempts) values ($1, 1, $2, 'ticket.auto_escalate', '{updated}', 4)`,
    [desk.organization.id, id],
  )
  // Something happens, so that the log is looked at.
  await desk.agent.post('/tickets', { subject: 's', description: randomUUID() })
  await ruled()
  assert.match(JSON.stringify((await runsOf(id)).map(({ details }) => details)), /failed 5 times/)
})
