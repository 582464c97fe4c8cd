import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const other = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const manager = await clientOf(app, database, 'manager', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))

const text = { title: 'Reset a password', content: 'Press the button that says so.' }
const written = async (more: object = {}) => (await agent.post('/kb/articles', { ...text, ...more })).body
const indexed = async (id: string): Promise<number> =>
  (await database.owner(`select from job_queue where job_type = 'RAG_INDEX' and payload ->> 'source_id' = $1`, [id])).length

test('an article is written, published, changed, withdrawn and deleted; each step has its version, audit row and index job', async () => {
  const made = await agent.post('/kb/articles', text)
  const { id } = made.body
  assert.deepEqual([made.status, made.headers['etag'], made.body.is_published, made.body.published_at], [201, '"1"', false, null])
  assert.match(made.body.slug, /^reset-a-password-[0-9a-f]{8}$/)
  const steps = [
    await agent.post(`/kb/articles/${id}/publish`),
    await agent.patch(`/kb/articles/${id}`, { content: 'Press twice.' }, { 'if-match': '"2"' }),
    await agent.post(`/kb/articles/${id}/unpublish`),
  ]
  assert.deepEqual(
    steps.map(({ status, body, headers }) => [status, body.version, headers['etag'], body.is_published]),
    [
      [200, 2, '"2"', true],
      [200, 3, '"3"', true],
      [200, 4, '"4"', false],
    ],
  )
  assert.equal((await agent.patch(`/kb/articles/${id}`, { content: 'Late' }, { 'if-match': '"3"' })).status, 412)
  assert.equal((await agent.post(`/kb/articles/${id}/unpublish`)).body.version, 4)
  assert.equal(await indexed(id), 4)
  assert.equal((await agent.get(`/kb/articles/${id}`, { 'if-none-match': '"4"' })).status, 304)
  assert.equal((await agent.delete(`/kb/articles/${id}`)).status, 403)
  assert.equal((await manager.delete(`/kb/articles/${id}`)).status, 204)
  assert.equal((await agent.get(`/kb/articles/${id}`)).status, 404)
  const audit = await database.owner('select action from audit_log where entity_id = $1 order by id', [id])
  assert.deepEqual(
    audit.map(({ action }) => action),
    ['create', 'publish', 'update', 'unpublish', 'delete'].map((verb) => `kb_article.${verb}`),
  )
})

test('every text that an article had can be read again', async () => {
  const { id } = await written()
  await agent.post(`/kb/articles/${id}/publish`)
  await agent.patch(`/kb/articles/${id}`, { content: 'Second' })
  await agent.patch(`/kb/articles/${id}`, { title: 'Third' })
  const first = (await agent.get(`/kb/articles/${id}/versions?limit=2`)).body
  const rest = (await agent.get(`/kb/articles/${id}/versions?cursor=${first.next_cursor}`)).body
  assert.deepEqual(
    [...first.items, ...rest.items].map(({ version, title }) => [version, title]),
    [
      [4, 'Third'],
      [3, text.title],
      [1, text.title],
    ],
  )
  assert.equal((await agent.get(`/kb/articles/${id}/versions/1`)).body.content, text.content)
  assert.equal((await agent.get(`/kb/articles/${id}/versions/2`)).status, 404)
  assert.equal((await customer.get(`/kb/articles/${id}/versions`)).status, 403)
  for (const path of ['versions', 'versions/1']) assert.equal((await stranger.get(`/kb/articles/${id}/${path}`)).status, 404)
})

test('customers see what is published and internal neither itself nor by its category', async () => {
  const open = (await manager.post('/kb/categories', { name: 'Open' })).body
  const closed = (await manager.post('/kb/categories', { name: 'Closed', is_internal: true })).body
  const marker = `m${randomUUID().slice(0, 8)}`
  const title = (name: string) => ({ title: `${name} ${marker}` })
  const shown = await written({ ...title('shown'), category_id: open.id, is_published: true })
  const hidden = [
    await written({ ...title('draft'), category_id: open.id }),
    await written({ ...title('internal'), is_internal: true, is_published: true }),
    await written({ ...title('closed'), category_id: closed.id, is_published: true }),
  ]
  const titles = async (client: Client, more = '') =>
    (await client.get(`/kb/articles?q=${marker}${more}`)).body.items.map((each: { title: string }) => each.title.split(' ')[0])
  assert.deepEqual(await titles(customer), ['shown'])
  assert.deepEqual(await titles(agent), ['closed', 'internal', 'draft', 'shown'])
  assert.deepEqual(await titles(agent, '&is_published=false'), ['draft'])
  assert.deepEqual(await titles(agent, `&category_id=${closed.id}`), ['closed'])
  assert.deepEqual(await titles(stranger), [])
  for (const { id } of hidden) assert.equal((await customer.get(`/kb/articles/${id}`)).status, 404)
  assert.equal((await customer.get(`/kb/articles/${shown.id}`)).body.content, text.content)
  assert.equal((await stranger.get(`/kb/articles/${shown.id}`)).status, 404)
  assert.equal((await stranger.patch(`/kb/articles/${shown.id}`, { title: 'mine' })).status, 404)
  assert.equal((await stranger.patch(`/kb/categories/${open.id}`, { name: 'mine' })).status, 404)
  assert.equal((await customer.patch(`/kb/articles/${shown.id}`, { title: 'mine' })).status, 403)
  const names = async (client: Client) => (await client.get('/kb/categories')).body.items.map((each: { name: string }) => each.name)
  assert.deepEqual(await names(customer), ['Open'])
  assert.deepEqual(await names(agent), ['Closed', 'Open'])
  assert.equal((await customer.get(`/kb/categories/${closed.id}`)).status, 404)
  const before = await indexed(shown.id)
  await manager.patch(`/kb/categories/${open.id}`, { is_internal: true })
  assert.deepEqual([await titles(customer), await indexed(shown.id)], [[], before + 1])
  assert.equal((await manager.delete(`/kb/categories/${open.id}`)).status, 409)
  assert.equal((await agent.patch(`/kb/articles/${shown.id}`, { category_id: randomUUID() })).body.errors[0].path, 'category_id')
})

test('pages of articles miss none and repeat none', async () => {
  const own = await createOrganization(database)
  const author = await clientOf(app, database, 'admin', own)
  for (let count = 0; count < 5; count += 1) await author.post('/kb/articles', { ...text, title: `a ${count}` })
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body } = await author.get(`/kb/articles?limit=2${cursor ? `&cursor=${cursor}` : ''}`)
    seen.push(...body.items.map((each: { title: string }) => each.title))
    cursor = body.next_cursor
    await author.post('/kb/articles', { ...text, title: 'late' })
  }
  assert.deepEqual(seen, ['a 4', 'a 3', 'a 2', 'a 1', 'a 0'])
})

test('everybody who sees a suggestion has one vote, which may change; what most say is kept', async () => {
  const article = await written({ is_published: true })
  const secret = await written({ is_published: true, is_internal: true })
  const ticket = (await customer.post('/tickets', { subject: 's', description: 'd' })).body.id
  const rows = await database.owner<{ id: string }>(
    `insert into ticket_kb_suggestions (organization_id, ticket_id, article_id, title, excerpt, relevance_score)
     values ($1, $2, $3, 't', 'e', 0.5), ($1, $2, $4, 't', 'e', 0.4) returning id`,
    [organization.id, ticket, article.id, secret.id],
  )
  const [suggestion_id, hidden] = rows.map(({ id }) => id)
  const vote = async (client: Client, is_helpful: boolean) => {
    const { body } = await client.post('/kb/suggestions/vote', { suggestion_id, is_helpful })
    return [body.is_helpful, body.helpful_votes, body.unhelpful_votes]
  }
  assert.deepEqual(await vote(customer, true), [true, 1, 0])
  assert.deepEqual(await vote(customer, true), [true, 1, 0])
  assert.deepEqual(await vote(agent, false), [false, 1, 1])
  assert.deepEqual(await vote(manager, true), [true, 2, 1])
  assert.deepEqual(await vote(customer, false), [false, 1, 2])
  for (const client of [other, stranger]) assert.equal((await client.post('/kb/suggestions/vote', { suggestion_id, is_helpful: true })).status, 404)
  assert.equal((await customer.post('/kb/suggestions/vote', { suggestion_id: hidden, is_helpful: true })).status, 404)
  assert.equal((await agent.post('/kb/suggestions/vote', { suggestion_id: hidden, is_helpful: true })).status, 200)
})
