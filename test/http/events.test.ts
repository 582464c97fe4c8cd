import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { SignJWT } from 'jose'
import { eventTypeOf, isWanted } from '#db/event-types.ts'
import { insertAudit } from '#db/audit.ts'
import { inOrganization } from '#db/pool.ts'
import { testDatabase, until } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, SECRET, testServer } from '../support/server.ts'
import { listenTo } from '../support/stream.ts'
import type { Listener } from '../support/stream.ts'

const database = await testDatabase()
const [app, second] = [await testServer(database), await testServer(database)]
const [base, secondBase] = [await app.listen({ port: 0, host: '127.0.0.1' }), await second.listen({ port: 0, host: '127.0.0.1' })]
const organization = await createOrganization(database)
const agent = await clientOf(app, database, 'agent', organization)
const admin = await clientOf(app, database, 'admin', organization)
const customer = await clientOf(app, database, 'customer_user', organization)
const customers = await clientOf(app, database, 'customer_admin', organization)
const stranger = await clientOf(app, database, 'agent', await createOrganization(database))
const operator = await clientOf(app, database, 'operator')

const open: Listener[] = []
after(() => open.forEach((listener) => listener.close()))
async function listen(token: string, options: Parameters<typeof listenTo>[2] = {}, at = base): Promise<Listener> {
  const listener = await listenTo(at, token, options)
  open.push(listener)
  if (listener.status === 200) await listener.heard('ready')
  return listener
}
const wish = { subject: 'Steam', description: 'Everywhere' }
const note = (action: string, n = 0) =>
  inOrganization(database.app, organization.id, (tx) =>
    insertAudit(tx, { organization_id: organization.id, actor_id: null, action, entity_type: 'test', entity_id: String(n), details: {}, request_id: null }),
  )

test('what happens is heard by those whom it concerns, in every process, with the ids of the audit', async () => {
  const [staff, elsewhere, own, all, foreign, boss] = await Promise.all([
    listen(agent.token),
    listen(agent.token, {}, secondBase),
    listen(customer.token),
    listen(customers.token),
    listen(stranger.token),
    listen(admin.token),
  ])
  const { id } = (await customer.post('/tickets', wish)).body
  const internal = (await agent.post('/tickets', { subject: 'Ours', description: 'Only' })).body.id
  await agent.post(`/tickets/${id}/comments`, { content: 'Rude', is_internal: true })
  const said = (await agent.post(`/tickets/${id}/comments`, { content: 'Hello' })).body.id
  await agent.post(`/tickets/${id}/accept`)
  await admin.patch('/settings', { kb_suggestion_enabled: true })

  await Promise.all([staff, elsewhere, own, all].map((listener) => listener.heard('ticket.status_changed')))
  await boss.heard('settings.updated')
  const audit = ((await admin.get('/audit')).body.items as { id: number; action: string }[]).toReversed()
  const told = (listener: Listener) =>
    listener.events().map(({ event, data }) => `${event} ${data.ticket_id === id ? 'theirs' : data.ticket_id === internal ? 'ours' : ''}`.trim())
  const everything = ['ticket.created theirs', 'ticket.created ours', 'comment.created theirs', 'comment.created theirs', 'ticket.status_changed theirs']
  assert.deepEqual(told(staff), everything)
  assert.deepEqual(told(elsewhere), everything)
  assert.deepEqual(told(own), ['ticket.created theirs', 'comment.created theirs', 'ticket.status_changed theirs'])
  assert.deepEqual(told(all), told(own))
  assert.deepEqual(told(boss), [...everything, 'settings.updated'])
  assert.deepEqual(told(foreign), [])
  assert.deepEqual(
    boss.events().map((block) => [block.id, block.data.type]),
    audit.filter(({ action }) => action !== 'account.sign_in').map(({ id, action }) => [id, eventTypeOf(action)]),
  )
  const [heard] = await own.heard('comment.created')
  assert.deepEqual([heard!.data.entity_id, heard!.data.actor_id], [said, agent.user.id])
  assert.deepEqual(Object.keys(heard!.data.data), ['ticket_id'])
  assert.deepEqual((await staff.heard('ticket.status_changed'))[0]!.data.data.status, { from: 'new', to: 'accepted' })
})

test('a stream resumes after the last id without loss and without a repetition, whatever was written at once meanwhile', async () => {
  const first = await listen(admin.token, { query: '?types=test.*' })
  const writing = Promise.all(Array.from({ length: 300 }, (_, n) => note('test.note', n)))
  await until(() => first.events().length > 20, 'some events')
  first.close()
  await writing
  const rest = await listen(admin.token, { query: '?types=test.*', lastEventId: first.lastId })
  await until(() => new Set([...first.events(), ...rest.events()].map(({ data }) => data.entity_id)).size === 300, 'all events')
  const ids = [...first.events().filter(({ id }) => id! <= first.lastId), ...rest.events()].map(({ id }) => id)
  assert.equal(new Set(ids).size, 300)
  assert.deepEqual(
    ids,
    ids.toSorted((a, b) => a! - b!),
  )
})

test('a transaction that commits late is not missed by who has read on past it', async () => {
  const listener = await listen(admin.token, { query: '?types=late.*,early.*' })
  let commit!: () => void
  const held = new Promise<void>((resolve) => (commit = resolve))
  const late = inOrganization(database.app, organization.id, async (tx) => {
    await insertAudit(tx, {
      organization_id: organization.id,
      actor_id: null,
      action: 'late.note',
      entity_type: 'test',
      entity_id: '1',
      details: {},
      request_id: null,
    })
    await held
  })
  await note('early.note')
  await listener.heard('early.noted')
  commit()
  await late
  await listener.heard('late.noted')
  assert.deepEqual(
    listener.events().map(({ event }) => event),
    ['early.noted', 'late.noted'],
  )
})

test('without an id a stream begins now; with one that is ahead of the log it begins at its end', async () => {
  await note('past.note')
  const [now, ahead] = [await listen(admin.token), await listen(admin.token, { lastEventId: 999_999_999 })]
  assert.deepEqual(now.blocks[0]!.data, ahead.blocks[0]!.data)
  await note('next.note')
  for (const listener of [now, ahead]) {
    await listener.heard('next.noted')
    assert.equal(listener.events().length, 1)
  }
})

test('a stream ends with its token, and says so', async () => {
  const token = await new SignJWT({ org: organization.id, role: 'admin', use: 'access', sid: randomUUID() })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
    .setSubject(admin.user.id)
    .setIssuer('atum-desk')
    .setIssuedAt()
    .setExpirationTime('10s')
    .sign(new TextEncoder().encode(SECRET))
  open.splice(0).forEach((listener) => listener.close())
  const listener = await listen(token)
  const [end] = await listener.heard('end')
  assert.deepEqual(end!.data, { reason: 'token_expired' })
  await until(() => listener.ended, 'the stream ends')
})

test('nobody has more than six streams; one that is closed makes room', async () => {
  open.splice(0).forEach((listener) => listener.close())
  const listeners: Listener[] = []
  await until(async () => {
    const listener = await listen(stranger.token)
    if (listener.status === 200) listeners.push(listener)
    return listeners.length === 6
  }, 'six streams')
  assert.equal((await listen(stranger.token)).status, 429)
  assert.equal((await listen(agent.token)).status, 200)
  listeners[0]!.close()
  await until(async () => (await listen(stranger.token)).status === 200, 'room')
})

test('an operator hears how many jobs there are, and what was done in the installation, and nothing of an organisation', async () => {
  const listener = await listen(operator.token)
  const [jobs] = await listener.heard('jobs')
  assert.ok('counts' in jobs!.data)
  await operator.post('/jobs', { job_type: 'PROBE' })
  await listener.heard('jobs', 2)
  await listener.heard('job.enqueued')
  await note('other.note')
  await operator.post('/jobs', { job_type: 'PROBE' })
  await listener.heard('job.enqueued', 2)
  assert.deepEqual(new Set(listener.events().map(({ event }) => event)), new Set(['job.enqueued']))
})

test('the types of events are those of the audit, as they happened', () => {
  for (const [action, type] of [
    ['ticket.create', 'ticket.created'],
    ['ticket.edit', 'ticket.updated'],
    ['ticket.accept', 'ticket.status_changed'],
    ['triage.store', 'triage.stored'],
    ['kb_article.publish', 'article.published'],
    ['sla.breach', 'sla.breached'],
    ['ticket.sla_warn', 'sla.warned'],
    ['ticket.orders_found', 'ticket.orders_found'],
    ['job.bulk_cancel', 'job.bulk_cancelled'],
    ['ticket.apply', 'ticket.applied'],
  ] as const) {
    assert.equal(eventTypeOf(action), type)
  }
  assert.ok(isWanted('ticket.created', []) && isWanted('ticket.created', ['ticket.*']) && isWanted('user.created', ['user.created']))
  assert.ok(!isWanted('user.created', []) && !isWanted('user.created', ['*']) && !isWanted('ticket.created', ['comment.*']))
})

test('a server that closes ends its streams', async () => {
  const listener = await listen(agent.token, {}, secondBase)
  await second.close()
  await until(() => listener.ended, 'the stream ends')
  assert.deepEqual((await listener.heard('end'))[0]!.data, { reason: 'closing' })
})
