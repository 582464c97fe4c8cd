import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { inOrganization } from '#db/pool.ts'
import { deliverWebhook } from '#jobs/deliver-webhook.ts'
import { followEvents } from '#jobs/event-follow-up.ts'
import { jobTypes } from '#jobs/registry.ts'
import { runJob } from '../jobs/run-job.ts'
import { testDatabase, until } from '../support/database.ts'
import { testWorker } from '../support/engine.ts'
import { createOrganization } from '../support/people.ts'
import { receiver } from '../support/receiver.ts'
import type { Received } from '../support/receiver.ts'
import { clientOf, testServer } from '../support/server.ts'

process.env['WEBHOOK_ALLOW_PRIVATE'] = 'true'
const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const admin = await clientOf(app, database, 'admin', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
const desk = await receiver()

/** As the real one, but a day of back-off passes in seconds. */
const backoff = { base_ms: 100, factor: 1.3, max_ms: 400, jitter: 0.2 }
const hasty = { ...deliverWebhook, backoff }
const worker = await testWorker(database, { jobTypes: new Map([...jobTypes, ['DELIVER_WEBHOOK', hasty as never]]) }, { WORKER_QUEUES: 'mail' })

const wish = { subject: 'Steam', description: 'Everywhere' }
const make = async (body: Record<string, unknown> = {}) => (await admin.post('/webhooks', { url: desk.url, ...body })).body
const bodyOf = ({ body }: Received) => JSON.parse(body) as { id: number | null; type: string; timestamp: string; data: Record<string, unknown> }
const deliveriesOf = async (id: string, query = '') => (await admin.get(`/webhooks/${id}/deliveries?limit=200${query}`)).body.items as Record<string, unknown>[]
const settled = (id: string, count: number) =>
  until(async () => (await deliveriesOf(id)).filter(({ status }) => status !== 'pending').length >= count, `${count} deliveries ended`)

test('an event is delivered once to each endpoint that wants it, signed, under the id that the audit and the stream have', async () => {
  const [all, comments, off] = [await make(), await make({ event_types: ['comment.*'] }), await make({ is_active: false })]
  const { id } = (await agent.post('/tickets', wish)).body
  await agent.post(`/tickets/${id}/comments`, { content: 'Hello' })
  await settled(all.id, 2)
  await settled(comments.id, 1)
  const audit = (await admin.get('/audit?limit=2')).body.items.toReversed() as { id: number; at: string }[]
  const got = await deliveriesOf(all.id)
  assert.deepEqual(got.map(({ event_type, event_id, message_id, status, attempt }) => [event_type, event_id, message_id, status, attempt]).toReversed(), [
    ['ticket.created', audit[0]!.id, `evt_${audit[0]!.id}`, 'delivered', 1],
    ['comment.created', audit[1]!.id, `evt_${audit[1]!.id}`, 'delivered', 1],
  ])
  assert.deepEqual(
    (await deliveriesOf(comments.id)).map(({ event_type }) => event_type),
    ['comment.created'],
  )
  assert.deepEqual(await deliveriesOf(off.id), [])
  const first = desk.received.find((each) => bodyOf(each).type === 'ticket.created')!
  const verified = new Webhook(all.secret).verify(first.body, first.headers as Record<string, string>)
  assert.deepEqual(verified, bodyOf(first))
  assert.deepEqual(
    [bodyOf(first).id, bodyOf(first).timestamp, bodyOf(first).data['ticket_id'], first.headers['webhook-id']],
    [audit[0]!.id, audit[0]!.at, id, `evt_${audit[0]!.id}`],
  )
  for (const { id: each } of [all, comments, off]) await admin.delete(`/webhooks/${each}`)
})

test('an endpoint with a condition hears of the tickets for which it holds, and of nothing that is about no ticket', async () => {
  const condition = {
    all: [
      { field: 'priority', op: 'in', value: ['urgent'] },
      { field: 'tags', op: 'has', value: 'vip' },
    ],
  }
  const { id, ...made } = await make({ condition })
  const all = await make()
  assert.deepEqual([made.condition, (await admin.get(`/webhooks/${id}`)).body.condition], [condition, condition])
  const [calm, loud] = [
    await agent.post('/tickets', { ...wish, priority: 'low', tags: ['vip'] }),
    await agent.post('/tickets', { ...wish, priority: 'urgent' }),
  ]
  await agent.patch(`/tickets/${loud.body.id}`, { tags: ['vip'] })
  await agent.post(`/tickets/${loud.body.id}/comments`, { content: 'Now' })
  await agent.post(`/tickets/${calm.body.id}/comments`, { content: 'Later' })
  await agent.post('/kb/articles', { title: 'Steam', content: 'Open the window.' })
  await settled(all.id, 6)
  const heard = (await deliveriesOf(id)) as { id: string; event_type: string }[]
  const tickets = await Promise.all(heard.map(async (each) => (await admin.get(`/webhooks/${id}/deliveries/${each.id}`)).body.payload.ticket_id as string))
  assert.deepEqual(new Set(tickets), new Set([loud.body.id]))
  assert.ok(heard.some(({ event_type }) => event_type === 'comment.created'))

  // What it asks may be changed, and taken away.
  const other = { field: 'subject', op: 'contains', value: 'printer' }
  assert.deepEqual((await admin.patch(`/webhooks/${id}`, { condition: other })).body.condition, other)
  const { details } = (await admin.get(`/audit?action=webhook.update&entity_id=${id}`)).body.items[0]
  assert.deepEqual(details, { condition: { from: condition, to: other } })
  assert.deepEqual((await admin.patch(`/webhooks/${id}`, { description: 'x' })).body.condition, other)
  assert.equal((await admin.patch(`/webhooks/${id}`, { condition: null })).body.condition, null)
  const wrong = await admin.post('/webhooks', { url: desk.url, condition: { all: [{ field: 'status', op: 'eq', value: 'open' }] } })
  assert.equal(wrong.status, 400)
  assert.match(JSON.stringify(wrong.body.errors), /condition.*value/)
  for (const each of [id, all.id]) await admin.delete(`/webhooks/${each}`)
})

test('a receiver that is away for a long time, and then answers with errors, loses nothing; a repetition has the same id', async () => {
  const { id } = await make({ event_types: ['ticket.created'] })
  desk.received.length = 0
  await desk.down()
  // However slow the machine is, no delivery is through with its attempts before the receiver is back.
  Object.assign(backoff, { factor: 3, max_ms: 10_000 })
  const numbers = await Promise.all(
    Array.from({ length: 12 }, async (_, n) => (await agent.post('/tickets', { ...wish, subject: `Lost ${n}` })).body.id as string),
  )
  await until(async () => (await deliveriesOf(id)).filter(({ attempt }) => Number(attempt) >= 3).length === 12, 'three attempts of each')
  const seen = new Set<string>()
  desk.answer = ({ headers }) => {
    const known = seen.has(String(headers['webhook-id']))
    seen.add(String(headers['webhook-id']))
    return known ? 200 : 503
  }
  await desk.up()
  await settled(id, 12)
  Object.assign(backoff, { factor: 1.3, max_ms: 400 })
  desk.answer = 200
  const delivered = await deliveriesOf(id)
  assert.ok(delivered.every(({ status }) => status === 'delivered'))
  assert.deepEqual(new Set(desk.received.map((each) => bodyOf(each).data['ticket_id'])), new Set(numbers))
  assert.equal(desk.received.length, 24)
  const byId = Map.groupBy(desk.received, ({ headers }) => String(headers['webhook-id']))
  assert.ok([...byId.values()].every((each) => each.length === 2 && each[0]!.body === each[1]!.body))
  const { attempts } = (await admin.get(`/webhooks/${id}/deliveries/${String(delivered[0]!['id'])}`)).body
  assert.ok(attempts.length >= 4)
  assert.equal(attempts[0].outcome, 'succeed')
  assert.match(JSON.stringify(attempts.at(-1)), /ECONNREFUSED/)
  await admin.delete(`/webhooks/${id}`)
})

test('whoever breaks off between an event and its deliveries leaves none out and makes none twice', async () => {
  const { id } = await make({ event_types: ['ticket.created'] })
  await assert.rejects(
    inOrganization(database.system, organization.id, async (tx) => {
      await agent.post('/tickets', wish)
      await followEvents(tx, organization.id)
      throw new Error('broken off')
    }),
    /broken off/,
  )
  const both = () => inOrganization(database.system, organization.id, (tx) => followEvents(tx, organization.id))
  await agent.post('/tickets', wish)
  await Promise.all([both(), both(), both(), runJob(database, deliverWebhook, null, {})])
  await settled(id, 2)
  assert.equal((await deliveriesOf(id)).length, 2)
  await admin.delete(`/webhooks/${id}`)
})

test('a secret is shown once; after a rotation both sign until the old one has ended', async () => {
  const made = await make()
  assert.match(made.secret, /^whsec_/)
  assert.equal('secret' in (await admin.get(`/webhooks/${made.id}`)).body, false)
  assert.doesNotMatch(JSON.stringify((await admin.get('/webhooks')).body) + JSON.stringify((await admin.get('/audit')).body), /whsec_/)
  const rotated = (await admin.post(`/webhooks/${made.id}/rotate-secret`, { overlap_hours: 2 })).body
  assert.notEqual(rotated.secret, made.secret)
  assert.ok(rotated.previous_secret_until)
  const ping = async () => {
    desk.received.length = 0
    assert.equal((await admin.post(`/webhooks/${made.id}/test`)).status, 201)
    await until(() => desk.received.length === 1, 'the test')
    return desk.received[0]!
  }
  const both = await ping()
  for (const secret of [made.secret, rotated.secret]) new Webhook(secret).verify(both.body, both.headers as Record<string, string>)
  assert.equal(bodyOf(both).type, 'webhook.test')
  await admin.post(`/webhooks/${made.id}/rotate-secret`, { overlap_hours: 0 })
  const one = await ping()
  assert.throws(() => new Webhook(rotated.secret).verify(one.body, one.headers as Record<string, string>))
  await admin.delete(`/webhooks/${made.id}`)
})

test('an endpoint that takes nothing over all attempts is switched off, and its admins are told; once well again, a replay brings what it missed', async () => {
  const { id } = await make({ event_types: ['ticket.created'] })
  desk.answer = 302
  const ticket = (await agent.post('/tickets', wish)).body.id
  await settled(id, 1)
  const [failed] = await deliveriesOf(id)
  assert.deepEqual([failed!['status'], failed!['attempt'], failed!['response_status']], ['failed', 13, 302])
  const endpoint = (await admin.get(`/webhooks/${id}`)).body
  assert.deepEqual([endpoint.is_active, Boolean(endpoint.disabled_at)], [false, true])
  assert.match(endpoint.disabled_reason, /answered 302/)
  assert.equal((await admin.get(`/audit?action=webhook.disable&entity_id=${id}`)).body.items.length, 1)
  await until(
    async () => (await database.owner(`select from outgoing_mail where recipient = $1 and subject like '%webhook%'`, [admin.user.email])).length > 0,
    'the mail',
  )

  assert.equal((await admin.post(`/webhooks/${id}/deliveries/${String(failed!['id'])}/replay`)).status, 409)
  desk.answer = 200
  desk.received.length = 0
  assert.equal((await admin.patch(`/webhooks/${id}`, { is_active: true })).body.disabled_at, null)
  assert.equal((await admin.post(`/webhooks/${id}/deliveries/${String(failed!['id'])}/replay`)).status, 202)
  await until(async () => (await deliveriesOf(id, '&status=delivered')).length === 1, 'the replay')
  assert.deepEqual(
    desk.received.map((each) => [each.headers['webhook-id'], bodyOf(each).data['ticket_id']]),
    [[failed!['message_id'], ticket]],
  )
  await admin.delete(`/webhooks/${id}`)
})

test('an endpoint that says it is gone is switched off at once', async () => {
  const { id } = await make()
  desk.answer = 410
  await admin.post(`/webhooks/${id}/test`)
  await until(async () => (await admin.get(`/webhooks/${id}`)).body.is_active === false, 'switched off')
  desk.answer = 200
  await admin.delete(`/webhooks/${id}`)
})

test('what is no address for a webhook is refused, and others neither see nor change one', async () => {
  for (const url of ['ftp://example.com/', 'not a url', 'https://user:secret@example.com/', `https://example.com/${'x'.repeat(2_000)}`]) {
    assert.equal((await admin.post('/webhooks', { url })).status, 400, url)
  }
  assert.equal((await admin.post('/webhooks', { url: desk.url, event_types: ['ticket; drop'] })).status, 400)
  process.env['WEBHOOK_ALLOW_PRIVATE'] = 'false'
  for (const url of [
    'http://127.0.0.1/',
    'http://[::1]/',
    'http://localhost:9/',
    'http://169.254.169.254/latest',
    'http://2130706433/',
    'http://[::ffff:10.0.0.1]/',
  ]) {
    assert.equal((await admin.post('/webhooks', { url })).status, 400, url)
  }
  process.env['WEBHOOK_ALLOW_PRIVATE'] = 'true'
  const { id } = await make()
  for (const answer of [
    await stranger.get(`/webhooks/${id}`),
    await stranger.patch(`/webhooks/${id}`, { is_active: false }),
    await stranger.delete(`/webhooks/${id}`),
    await stranger.post(`/webhooks/${id}/test`),
    await stranger.post(`/webhooks/${id}/rotate-secret`, {}),
    await stranger.get(`/webhooks/${id}/deliveries`),
  ]) {
    assert.equal(answer.status, 404)
  }
  assert.equal((await agent.get('/webhooks')).status, 403)
  assert.deepEqual((await stranger.get('/webhooks')).body.items, [])
  assert.equal((await admin.get(`/webhooks/${id}`)).body.is_active, true)
  await worker.drain()
})
