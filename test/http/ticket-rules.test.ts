import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
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

const always = { field: 'number', op: 'gt', value: 0 }
const file = async (subject = 's') => (await customer.post('/tickets', { subject, description: 'd' })).body
const read = async (id: string) => (await agent.get(`/tickets/${id}`)).body
const history = async (client: typeof agent, id: string) =>
  (await client.get(`/tickets/${id}/history`)).body.items as { action: string; details: Record<string, unknown> }[]

async function withRules<T>(rules: object[], work: () => Promise<T>): Promise<T> {
  const ids: string[] = []
  for (const [position, rule] of rules.entries()) {
    const { status, body } = await manager.post('/rules', { name: `Rule ${position} ${randomUUID()}`, position, ...rule })
    assert.equal(status, 201, JSON.stringify(body))
    ids.push(body.id)
  }
  try {
    return await work()
  } finally {
    for (const id of ids) assert.equal((await manager.delete(`/rules/${id}`)).status, 204)
  }
}

test('a rule acts on a ticket in the very transaction that files it, and the history tells staff by which rule', async () => {
  const condition = { field: 'subject', op: 'contains', value: 'down' }
  const actions = [
    { type: 'set_priority', priority: 'urgent' },
    { type: 'add_tags', tags: ['outage'] },
    {
      type: 'notify',
      to: 'requester',
      subject: 'Ticket {{ticket.number}}\r\nBcc: x',
      content: 'Dear {{requester.name}}, {{ticket.subject}} is {{ticket.priority}}.',
    },
  ]
  await withRules([{ name: 'Outages', condition, actions }], async () => {
    const ticket = await file('All is DOWN {{agent.name}}')
    assert.deepEqual([ticket.priority, ticket.tags], ['urgent', ['outage']])
    const mails = await database.owner<{ payload: unknown }>(`select payload from job_queue where job_type = 'SEND_EMAIL'`)
    assert.deepEqual(
      mails.map(({ payload }) => payload),
      [
        {
          to: customer.user.email,
          subject: `Ticket ${ticket.number} Bcc: x`,
          text: `Dear ${customer.user.full_name}, All is DOWN {{agent.name}} is urgent.`,
        },
      ],
    )
    const told = await history(agent, ticket.id)
    assert.deepEqual(
      told.map(({ action }) => action),
      ['ticket.create', 'ticket.edit', 'ticket.edit', 'rule.run'],
    )
    assert.equal((told[1]!.details['rule'] as { name: string }).name, 'Outages')
    assert.deepEqual(
      (told[3]!.details['actions'] as { type: string; outcome: string }[]).map(({ type, outcome }) => `${type} ${outcome}`),
      ['set_priority changed', 'add_tags changed', 'notify changed'],
    )
    assert.doesNotMatch(JSON.stringify(await history(customer, ticket.id)), /Outages|rule/)
    assert.deepEqual([(await file('All is well')).priority, mails.length], ['medium', 1])
  })
})

test('a rule sees what the rules before it did, runs once an event, and causes no event for rules', async () => {
  const rules = [
    { events: ['created', 'updated'], condition: { not: { field: 'tags', op: 'has', value: 'b' } }, actions: [{ type: 'add_tags', tags: ['a'] }] },
    { events: ['created'], condition: { field: 'tags', op: 'has', value: 'a' }, actions: [{ type: 'set_priority', priority: 'high' }] },
    { events: ['updated'], condition: { field: 'priority', op: 'eq', value: 'high' }, actions: [{ type: 'set_priority', priority: 'low' }] },
  ]
  await withRules(rules, async () => {
    const { id, tags, priority, version } = await file()
    assert.deepEqual([tags, priority, version], [['a'], 'high', 3])
    await agent.post(`/tickets/${id}/accept`)
    assert.equal((await read(id)).priority, 'low')
  })
})

test('a comment is an event too; a rule that is switched off does nothing', async () => {
  await withRules(
    [
      { events: ['commented'], condition: always, actions: [{ type: 'add_tags', tags: ['answered'] }] },
      { events: ['commented'], is_active: false, condition: always, actions: [{ type: 'add_tags', tags: ['never'] }] },
    ],
    async () => {
      const { id } = await file()
      assert.deepEqual((await read(id)).tags, [])
      await Promise.all([customer.post(`/tickets/${id}/comments`, { content: 'Hello' }), agent.post(`/tickets/${id}/comments`, { content: 'Hello' })])
      assert.deepEqual((await read(id)).tags, ['answered'])
    },
  )
})

test('an action that cannot be done to a ticket is told, and the others are done', async () => {
  const actions = [
    { type: 'assign', assignee_id: agent.user.id },
    { type: 'notify', to: 'assignee', subject: 's', content: 'c' },
    { type: 'add_tags', tags: ['seen'] },
  ]
  await withRules([{ condition: always, actions }], async () => {
    const { id, tags, status } = await file()
    assert.deepEqual([tags, status], [['seen'], 'new'])
    const run = (await history(agent, id)).find(({ action }) => action === 'rule.run')!
    assert.deepEqual(
      (run.details['actions'] as { outcome: string }[]).map(({ outcome }) => outcome),
      ['refused', 'refused', 'changed'],
    )
  })
})

test('bulk changes and assignments are events; one event causes a bounded number of actions', async () => {
  const many = Array.from({ length: 10 }, (_, n) => ({ type: 'add_tags', tags: [`t${n}`] }))
  await withRules(
    Array.from({ length: 6 }, (_, n) => ({
      events: ['updated'],
      condition: { field: 'priority', op: 'eq', value: 'low' },
      actions: n === 5 ? [{ type: 'set_priority', priority: 'urgent' }] : many,
    })),
    async () => {
      const { id } = await file()
      const { body } = await agent.post('/tickets/bulk', { ids: [id], changes: { priority: 'low' }, dry_run: false })
      assert.equal(body.changed, 1)
      const ticket = await read(id)
      assert.deepEqual([ticket.tags.length, ticket.priority], [10, 'low'])
      assert.match(JSON.stringify((await history(agent, id)).at(-1)!.details), /more than 50 actions/)
    },
  )
})

test('what is simulated changes nothing, and is what then happens', async () => {
  const fresh = await createOrganization(database)
  const keeper = await clientOf(app, database, 'manager', fresh)
  const own = await clientOf(app, database, 'agent', fresh)
  const group = (await keeper.post('/groups', { name: 'All', strategy: 'round_robin', members: [{ user_id: own.user.id }] })).body.id as string
  const counts = () =>
    database.owner(
      `select (select count(*) from audit_log where organization_id = $1) as audit, (select count(*) from job_queue where organization_id = $1) as jobs,
              (select turns from agent_groups where id = $2) as turns, (select json_agg(t order by id) from tickets t where organization_id = $1) as tickets`,
      [fresh.id, group],
    )
  const action = fc.oneof(
    fc.record({ type: fc.constant('set_priority'), priority: fc.constantFrom('low', 'high', 'urgent') }),
    fc.record({ type: fc.constantFrom('add_tags', 'remove_tags'), tags: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }) }),
    fc.record({ type: fc.constant('assign'), assignee_id: fc.constantFrom(own.user.id, null) }),
    fc.record({ type: fc.constant('assign_group'), group_id: fc.constant(group) }),
    fc.record({
      type: fc.constant('notify'),
      to: fc.constantFrom('requester', 'assignee'),
      subject: fc.constant('s'),
      content: fc.constant('{{ticket.number}}'),
    }),
  )
  const condition = fc.oneof(
    fc.record({ field: fc.constant('priority'), op: fc.constantFrom('eq', 'ne'), value: fc.constantFrom('low', 'medium', 'urgent') }),
    fc.record({ field: fc.constant('tags'), op: fc.constantFrom('has', 'has_not'), value: fc.constantFrom('a', 'b') }),
    fc.record({ field: fc.constant('status'), op: fc.constantFrom('eq', 'ne'), value: fc.constantFrom('new', 'accepted', 'assigned') }),
  )
  await fc.assert(
    fc.asyncProperty(condition, fc.array(action, { minLength: 1, maxLength: 4 }), fc.nat(3), async (condition, actions, stage) => {
      const { body: ticket } = await own.post('/tickets', { subject: 's', description: 'd', tags: stage % 2 ? ['a'] : [] })
      if (stage > 1) await own.post(`/tickets/${ticket.id}/accept`)
      // What wakes the rule on the live ticket is a change of its subject, so the ticket is simulated as that leaves it.
      const before = await counts()
      const { status, body } = await keeper.post('/rules/simulate', { condition, actions, limit: 1 })
      assert.deepEqual([status, body.examined], [200, 1], JSON.stringify(body))
      assert.deepEqual(await counts(), before)
      const rule = (await keeper.post('/rules', { name: randomUUID(), events: ['updated'], condition, actions })).body
      const { body: after } = await own.patch(`/tickets/${ticket.id}`, { subject: 'touched' })
      await keeper.delete(`/rules/${rule.id}`)
      const then = (await own.get(`/tickets/${ticket.id}/history`)).body.items.find((item: { action: string }) => item.action === 'rule.run')
      const told = body.items[0]
      for (const [field, { to }] of Object.entries((told?.changes ?? {}) as Record<string, { to: unknown }>)) assert.deepEqual(after[field], to, field)
      for (const field of ['priority', 'status', 'assigned_to', 'tags']) {
        if (!told?.changes[field]) assert.deepEqual(after[field], stage > 1 && field === 'status' ? 'accepted' : ticket[field], field)
      }
      assert.deepEqual(then?.details.actions ?? [], (told?.actions ?? []).some((each: { outcome: string }) => each.outcome !== 'unchanged') ? told.actions : [])
    }),
    { numRuns: 40 },
  )
})

test('rules of one position run, and are listed, as they were made', async () => {
  const names = ['low', 'high', 'urgent', 'medium', 'high', 'low', 'urgent']
  const rules = names.map((priority) => ({ position: 3, condition: always, actions: [{ type: 'set_priority', priority }] }))
  await withRules(rules, async () => {
    assert.equal((await file()).priority, names.at(-1))
    const listed: string[] = []
    let cursor: string | null = null
    do {
      const { body } = await agent.get(`/rules?limit=2${cursor ? `&cursor=${cursor}` : ''}`)
      for (const rule of body.items) listed.push(rule.actions[0].priority)
      assert.ok(!('at_us' in body.items[0]))
      cursor = body.next_cursor
    } while (cursor)
    assert.deepEqual(listed, names)
  })
})

test('rules are made by managers, of what the organisation has, and seen by nobody else', async () => {
  const { body: rule } = await manager.post('/rules', { name: 'Mine', condition: always, actions: [{ type: 'add_tags', tags: ['x'] }], is_active: false })
  assert.equal((await agent.get(`/rules/${rule.id}`)).body.name, 'Mine')
  assert.equal((await agent.patch(`/rules/${rule.id}`, { name: 'Yours' })).status, 403)
  assert.equal((await stranger.get(`/rules/${rule.id}`)).status, 404)
  assert.equal((await customer.get('/rules')).status, 403)
  assert.equal((await manager.patch(`/rules/${rule.id}`, { position: 7 })).body.position, 7)
  for (const action of [
    { type: 'set_service', service_id: randomUUID() },
    { type: 'assign', assignee_id: stranger.user.id },
    { type: 'assign', assignee_id: customer.user.id },
    { type: 'assign_group', group_id: randomUUID() },
    { type: 'notify', to: stranger.user.id, subject: 's', content: 'c' },
  ]) {
    for (const path of ['/rules', '/rules/simulate']) {
      const { status, body } = await manager.post(path, { ...(path === '/rules' ? { name: 'x' } : {}), condition: always, actions: [action] })
      assert.deepEqual([status, body.errors[0].path.split('.').slice(0, 2)], [422, ['actions', '0']])
    }
  }
  assert.equal((await manager.post('/rules', { name: 'x', condition: always, actions: [{ type: 'drop_table' }] })).status, 400)
  assert.equal((await manager.delete(`/rules/${rule.id}`)).status, 204)
})
