import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import pg from 'pg'
import { jobTypes, TICKET_JOB_TYPES } from '#jobs/registry.ts'
import { testDatabase, until } from '../support/database.ts'
import { createOrganization, createUser } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const elsewhere = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const customers = await clientOf(app, database, 'customer_admin', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'agent', elsewhere)
const operator = await clientOf(app, database, 'operator')
const caused = TICKET_JOB_TYPES.filter((name) => jobTypes.has(name))

const wish = { subject: 'The printer is on fire', description: 'Smoke, and a smell of toner.' }
const jobsOf = (ticketId: string) =>
  database.owner<{ job_type: string }>(`select job_type from job_queue where payload ->> 'ticket_id' = $1 order by job_type`, [ticketId])

test('a ticket is answered whole, with its place and its tag, and has caused its jobs', async () => {
  const { status, headers, body } = await customer.post('/tickets', { ...wish, tags: ['fire', 'fire', 'printer'] })
  assert.equal(status, 201)
  assert.equal(
    Object.keys(body).toSorted().join(' '),
    'accepted_at accepted_by assigned_to closed_at created_at description id number priority requester_id resolved_at service_id ' +
      'sla_due_at sla_risk_score sla_started_at status subject tags time_to_breach_minutes updated_at version',
  )
  assert.equal(body.status, 'new')
  assert.equal(body.priority, 'medium')
  assert.deepEqual(body.tags, ['fire', 'printer'])
  assert.equal(body.requester_id, customer.user.id)
  assert.equal(headers['location'], `/api/v1/tickets/${body.id}`)
  assert.equal(headers['etag'], '"1"')
  const again = await customer.get(`/tickets/${body.id}`)
  assert.deepEqual(again.body, body)
  assert.deepEqual(
    (await jobsOf(body.id)).map((job) => job.job_type),
    caused.toSorted(),
  )
})

test('an organisation that does without triage and articles has no jobs for them, from the next ticket on', async () => {
  const quiet = await createOrganization(database)
  const admin = await clientOf(app, database, 'admin', quiet)
  await database.owner('insert into org_settings (organization_id, ai_triage_enabled, kb_suggestion_enabled) values ($1, false, false)', [quiet.id])
  const { body } = await admin.post('/tickets', wish)
  const types = (await jobsOf(body.id)).map((job) => job.job_type)
  assert.deepEqual(
    types.filter((name) => ['TRIAGE_TICKET', 'SENTIMENT_ANALYSIS', 'KB_SUGGEST'].includes(name)),
    [],
  )
  for (const change of [{ kb_suggestion_enabled: true }, { ai_triage_enabled: true }, { ai_triage_enabled: false }]) {
    const settings = (await admin.patch('/settings', change)).body
    const next = (await jobsOf((await admin.post('/tickets', wish)).body.id)).map((job) => job.job_type)
    assert.deepEqual(
      ['KB_SUGGEST', 'TRIAGE_TICKET', 'SENTIMENT_ANALYSIS'].map((name) => next.includes(name)),
      [settings.kb_suggestion_enabled, settings.ai_triage_enabled, settings.ai_triage_enabled],
      JSON.stringify(change),
    )
  }
})

test('tickets of an organisation are numbered without gaps, also when many come at once', async () => {
  const busy = await createOrganization(database)
  const client = await clientOf(app, database, 'agent', busy)
  const answers = await Promise.all(Array.from({ length: 20 }, () => client.post('/tickets', wish)))
  assert.deepEqual(
    answers.map(({ body }) => body.number).toSorted((a, b) => a - b),
    Array.from({ length: 20 }, (_, index) => index + 1),
  )
})

test('who files waits for the number with the jobs written already: others of the organisation do not wait for them', async () => {
  const busy = await createOrganization(database)
  const client = await clientOf(app, database, 'agent', busy)
  const other = new pg.Client({ connectionString: database.ownerUrl })
  await other.connect()
  await other.query(`select pg_advisory_lock(hashtextextended('number:' || $1::text, 0))`, [busy.id])
  const answer = client.post('/tickets', wish)
  // It has a transaction id as soon as it has written something.
  const waiting = `select backend_xid is not null as has_written from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`
  try {
    await until(async () => (await database.owner(waiting)).length > 0, 'it waits for the number')
    assert.deepEqual(await database.owner(waiting), [{ has_written: true }])
  } finally {
    await other.end()
  }
  const { status, body } = await answer
  assert.deepEqual([status, body.number, (await jobsOf(body.id)).length], [201, 1, caused.length])
})

test('a ticket that cannot be written takes no number and causes no job', async () => {
  const before = await database.owner('select last_ticket_number from organizations where id = $1', [organization.id])
  const { status, body } = await agent.post('/tickets', { ...wish, requester_id: stranger.user.id })
  assert.equal(status, 422)
  assert.deepEqual(body.errors, [{ location: 'body', path: 'requester_id', message: 'does not exist' }])
  assert.deepEqual(await database.owner('select last_ticket_number from organizations where id = $1', [organization.id]), before)
})

test('only staff file for somebody else', async () => {
  assert.equal((await customer.post('/tickets', { ...wish, requester_id: agent.user.id })).status, 403)
  const filed = await agent.post('/tickets', { ...wish, requester_id: customer.user.id })
  assert.equal(filed.body.requester_id, customer.user.id)
})

test('a customer sees the own tickets, a customers admin those of all customers, staff all; others learn of none', async () => {
  const other = await createUser(database, 'customer_user', organization)
  const own = (await customer.post('/tickets', wish)).body.id
  const others = (await agent.post('/tickets', { ...wish, requester_id: other.id })).body.id
  const internal = (await agent.post('/tickets', wish)).body.id
  const sees = async (client: typeof agent) => Promise.all([own, others, internal].map(async (id) => (await client.get(`/tickets/${id}`)).status))
  assert.deepEqual(await sees(customer), [200, 404, 404])
  assert.deepEqual(await sees(customers), [200, 200, 404])
  assert.deepEqual(await sees(agent), [200, 200, 200])
  assert.deepEqual(await sees(stranger), [404, 404, 404])
  assert.deepEqual(await sees(operator), [403, 403, 403])
  const listed = (await customer.get('/tickets?limit=200')).body.items as { requester_id: string }[]
  assert.ok(listed.length > 0 && listed.every((ticket) => ticket.requester_id === customer.user.id))
  assert.deepEqual((await stranger.get('/tickets')).body.items, [])
})

test('pages of tickets miss none and repeat none while new ones come in', async () => {
  const busy = await createOrganization(database)
  const client = await clientOf(app, database, 'agent', busy)
  for (let count = 0; count < 7; count += 1) await client.post('/tickets', wish)
  const seen: number[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page = (await client.get(`/tickets?limit=3${cursor ? `&cursor=${cursor}` : ''}`)).body as { items: { number: number }[]; next_cursor: string | null }
    seen.push(...page.items.map((ticket) => ticket.number))
    cursor = page.next_cursor
    await client.post('/tickets', wish)
  }
  assert.deepEqual(seen, [7, 6, 5, 4, 3, 2, 1])
})

test('filters find by status, priority, people and text', async () => {
  const marker = randomUUID()
  const { body } = await agent.post('/tickets', { subject: `100% ${marker}`, description: 'under_score', priority: 'urgent' })
  const ids = async (query: string) => ((await agent.get(`/tickets?${query}`)).body.items as { id: string }[]).map((ticket) => ticket.id)
  assert.deepEqual(await ids(`q=${marker.toUpperCase()}`), [body.id])
  assert.deepEqual(await ids(`q=${encodeURIComponent(`100% ${marker}`)}&priority=urgent&status=new&requester_id=${agent.user.id}`), [body.id])
  assert.deepEqual(await ids(`q=${marker}&priority=low`), [])
  assert.deepEqual(await ids(`q=${marker}&assigned_to=${agent.user.id}`), [])
})

test('the same key and request is one ticket, however often and at once; another request under it is refused', async () => {
  const key = { 'idempotency-key': randomUUID() }
  const answers = await Promise.all(Array.from({ length: 5 }, () => customer.post('/tickets', wish, key)))
  assert.deepEqual([...new Set(answers.map(({ status, body }) => `${status} ${body.id}`))], [`201 ${answers[0]!.body.id}`])
  assert.equal(answers.filter(({ headers }) => headers['idempotent-replayed'] === 'true').length, 4)
  for (const answer of answers) assert.deepEqual(answer.body, answers[0]!.body)
  assert.equal((await jobsOf(answers[0]!.body.id)).length, caused.length)
  assert.equal((await customer.post('/tickets', { ...wish, subject: 'Another' }, key)).status, 422)
  assert.notEqual((await agent.post('/tickets', wish, key)).body.id, answers[0]!.body.id)
})

test('a refused request leaves its key free', async () => {
  const key = { 'idempotency-key': randomUUID() }
  assert.equal((await agent.post('/tickets', { ...wish, requester_id: randomUUID() }, key)).status, 422)
  assert.equal((await agent.post('/tickets', wish, key)).status, 201)
})

test('customers never see internal comments, and write none', async () => {
  const { id } = (await customer.post('/tickets', wish)).body
  assert.equal((await customer.post(`/tickets/${id}/comments`, { content: 'Hurry', is_internal: true })).status, 403)
  await customer.post(`/tickets/${id}/comments`, { content: 'Hurry' })
  await agent.post(`/tickets/${id}/comments`, { content: 'Rude', is_internal: true })
  await agent.post(`/tickets/${id}/comments`, { content: 'On my way' })
  const read = async (client: typeof agent) => {
    const first = await client.get(`/tickets/${id}/comments?limit=1`)
    const rest = await client.get(`/tickets/${id}/comments?cursor=${first.body.next_cursor}`)
    return [...first.body.items, ...rest.body.items].map((comment: { content: string }) => comment.content)
  }
  assert.deepEqual(await read(customer), ['Hurry', 'On my way'])
  assert.deepEqual(await read(agent), ['Hurry', 'Rude', 'On my way'])
  assert.equal((await stranger.post(`/tickets/${id}/comments`, { content: 'Hello' })).status, 404)
})

test('what the jobs found for a ticket is read by staff; customers see public articles alone', async () => {
  const { id } = (await customer.post('/tickets', wish)).body
  assert.equal((await agent.get(`/tickets/${id}/triage`)).body.type, 'urn:atum-desk:problem:not-triaged')
  await database.owner(
    `insert into ticket_ai_triage (organization_id, ticket_id, suggested_priority, priority_confidence, model_id) values ($1, $2, 'high', 0.75, 'test')`,
    [organization.id, id],
  )
  await database.owner(
    `insert into ai_suggestions (organization_id, ticket_id, suggestion_type, content, model_id, is_used, expires_at)
     values ($1, $2, 'smart_reply', 'Fetch water', 'test', false, now() + interval '1 hour'), ($1, $2, 'smart_reply', 'used', 'test', true, now() + interval '1 hour')`,
    [organization.id, id],
  )
  await database.owner(
    `with articles as (
       insert into kb_articles (organization_id, slug, title, content, is_internal, is_published)
       values ($1, 'fire', 'Fire', 'Run', false, true), ($1, 'secret', 'Secret', 'Hide', true, true) returning id, title)
     insert into ticket_kb_suggestions (organization_id, ticket_id, article_id, title, excerpt, relevance_score) select $1, $2, id, title, title, 0.5 from articles`,
    [organization.id, id],
  )
  assert.deepEqual((await agent.get(`/tickets/${id}/triage`)).body.priority_confidence, 0.75)
  assert.deepEqual(
    (await agent.get(`/tickets/${id}/suggestions`)).body.items.map((item: { content: string }) => item.content),
    ['Fetch water'],
  )
  const titles = async (client: typeof agent) =>
    (await client.get(`/tickets/${id}/kb-suggestions`)).body.items.map((item: { title: string }) => item.title).toSorted()
  assert.deepEqual(await titles(agent), ['Fire', 'Secret'])
  assert.deepEqual(await titles(customer), ['Fire'])
  assert.equal((await customer.get(`/tickets/${id}/triage`)).status, 403)
  assert.equal((await stranger.get(`/tickets/${id}/triage`)).status, 404)
})

test('an Idempotency-Key is for one path: the same words on another ticket are another comment', async () => {
  const [one, other] = await Promise.all(
    [1, 2].map(async (n) => (await agent.post('/tickets', { subject: `Ticket ${n} of a pair`, description: 'The same words go to both.' })).body.id as string),
  )
  const words = { content: 'We are looking into it.' }
  const first = await agent.post(`/tickets/${one}/comments`, words, { 'idempotency-key': 'both' })
  const second = await agent.post(`/tickets/${other}/comments`, words, { 'idempotency-key': 'both' })
  assert.equal(first.status, 201)
  assert.equal(second.status, 422)
  assert.equal((await agent.get(`/tickets/${other}/comments`)).body.items.length, 0)
})
