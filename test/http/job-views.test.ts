import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { LIMITS } from '#config.ts'
import { testDatabase } from '../support/database.ts'
import { readDocument, routesOf } from '../support/openapi.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const admin = await clientOf(app, database, 'admin', organization)
const manager = await clientOf(app, database, 'manager', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
const operator = await clientOf(app, database, 'operator')
const colleague = await clientOf(app, database, 'operator')

const DEAD = { name: 'Dead', query: 'queue=mail&status=failed' }
const names = async (client: Client, path = '/job-views'): Promise<string[]> => (await client.get(path)).body.items.map(({ name }: { name: string }) => name)
const seenBy = (id: string, clients: readonly Client[]) => Promise.all(clients.map(async (client) => (await client.get(`/job-views/${id}`)).status))

test("a view is its owner's until it is shared, then also of those who read jobs beside its owner, and of nobody else", async () => {
  for (const [owner, beside, others] of [
    [admin, manager, [stranger, operator]],
    [operator, colleague, [admin, stranger]],
  ] as const) {
    const { status, body: view, headers } = await owner.post('/job-views', DEAD)
    assert.deepEqual(
      [status, view.name, view.query, view.is_shared, view.owner_id, headers['location']],
      [201, 'Dead', DEAD.query, false, owner.user.id, `/api/v1/job-views/${view.id}`],
    )
    assert.deepEqual(await seenBy(view.id, [owner, beside, ...others]), [200, 404, 404, 404])
    assert.equal((await beside.patch(`/job-views/${view.id}`, { name: 'Mine' })).status, 404)
    assert.equal((await owner.patch(`/job-views/${view.id}`, { is_shared: true })).body.is_shared, true)
    assert.deepEqual(await seenBy(view.id, [owner, beside, ...others]), [200, 200, 404, 404])
    assert.deepEqual(await names(beside), ['Dead'])
    for (const other of others) {
      assert.ok(!(await names(other)).includes('Dead'))
      assert.equal((await other.patch(`/job-views/${view.id}`, { name: 'Theirs' })).status, 404)
      assert.equal((await other.delete(`/job-views/${view.id}`)).status, 404)
    }
    assert.equal((await beside.patch(`/job-views/${view.id}`, { name: 'Ours', query: 'status=done' })).body.query, 'status=done')
    assert.deepEqual(await names(owner), ['Ours'])
    assert.equal((await owner.delete(`/job-views/${view.id}`)).status, 204)
    assert.deepEqual(await seenBy(view.id, [owner, beside]), [404, 404])
    const audit = await database.owner('select action, organization_id, actor_id from audit_log where entity_id = $1 order by id', [view.id])
    assert.deepEqual(
      audit.map(({ action, actor_id }) => [action, actor_id]),
      [
        ['job_view.create', owner.user.id],
        ['job_view.update', owner.user.id],
        ['job_view.update', beside.user.id],
        ['job_view.delete', owner.user.id],
      ],
    )
    assert.ok(audit.every(({ organization_id }) => organization_id === owner.user.organization_id))
  }
  assert.equal((await agent.get('/job-views')).status, 403)
})

test('a key saves once, for an operator too, and a name is taken once by an owner', async () => {
  for (const client of [manager, operator]) {
    const key = { 'idempotency-key': randomUUID() }
    const first = await client.post('/job-views', { ...DEAD, name: 'Once' }, key)
    const again = await client.post('/job-views', { ...DEAD, name: 'Once' }, key)
    assert.deepEqual([first.status, again.status, again.headers['idempotent-replayed']], [201, 201, 'true'])
    assert.deepEqual(again.body, first.body)
    assert.equal((await client.post('/job-views', { ...DEAD, name: 'Twice' }, key)).status, 422)
    assert.equal((await client.post('/job-views', { ...DEAD, name: 'Once' })).status, 409)
    assert.deepEqual(await names(client), ['Once'])
  }
  assert.equal((await admin.post('/job-views', { ...DEAD, name: 'Once' })).status, 201)
})

test('a view holds filters of the list of jobs, all that there are, and nothing else', async () => {
  const list = routesOf(await readDocument(app)).find(({ name }) => name === 'GET /api/v1/jobs')
  const filters = list!.operation.parameters!.map(({ name }) => name).filter((name) => name !== 'limit' && name !== 'cursor')
  assert.ok(filters.length > 5)
  const query = filters.map((name) => `${name}=x`).join('&')
  assert.equal((await stranger.post('/job-views', { name: 'All', query })).status, 201)
  const words = new URLSearchParams({ q: "it's <b>ä & b=c</b> %\u{1f4a5}" }).toString()
  assert.equal((await stranger.post('/job-views', { name: 'Words', query: words })).body.query, words)
  for (const broken of [
    '',
    'status',
    'status=',
    'cursor=x',
    'limit=1',
    'status=done&',
    '?status=done',
    'status=done#x',
    'q=a b',
    'q=\u0000',
    'x=1',
    `q=${'x'.repeat(4_000)}`,
  ])
    assert.equal((await stranger.post('/job-views', { name: 'Broken', query: broken })).status, 400, broken)
})

test('views come by name, page by page, and nobody keeps more than so many', async () => {
  const many = await clientOf(app, database, 'manager', await createOrganization(database))
  const expected = Array.from({ length: LIMITS.JOB_VIEWS_PER_USER }, (_, index) => `View ${String(index).padStart(3, '0')}`)
  for (const name of expected.toReversed()) assert.equal((await many.post('/job-views', { ...DEAD, name })).status, 201)
  assert.equal((await many.post('/job-views', { ...DEAD, name: 'One more' })).status, 409)
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body } = await many.get(`/job-views?limit=33${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
    seen.push(...body.items.map(({ name }: { name: string }) => name))
    cursor = body.next_cursor
  }
  assert.deepEqual(seen, expected)
})
