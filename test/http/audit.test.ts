import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const admin = await clientOf(app, database, 'admin', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
const operator = await clientOf(app, database, 'operator')

interface Entry {
  id: number
  action: string
  entity_id: string
  seq: number
  hash: string
  at: string
  organization_id: string
}
const ticket = (await agent.post('/tickets', { subject: 'Leaks', description: 'All over' })).body.id as string
const comment = (await agent.post(`/tickets/${ticket}/comments`, { content: 'I look' })).body.id as string
await agent.post(`/tickets/${ticket}/accept`)
await stranger.post('/tickets', { subject: 'Other', description: 'house' })

test('a ticket and a comment are in the audit, with who made them and in which request', async () => {
  const { body } = await admin.get('/audit')
  assert.deepEqual(
    body.items.map(({ action, entity_id }: Entry) => [action, entity_id]),
    [
      ['ticket.accept', ticket],
      ['comment.create', comment],
      ['ticket.create', ticket],
      ['account.sign_in', agent.user.id],
      ['account.sign_in', admin.user.id],
    ],
  )
  const made = body.items[2]
  assert.deepEqual([made.actor_id, made.details.subject, made.seq], [agent.user.id, 'Leaks', 3])
  assert.ok(made.request_id)
  assert.match(made.hash, /^[0-9a-f]{64}$/)
})

test('filters narrow the audit by thing, action and time, and pages neither miss nor repeat', async () => {
  const list = async (query: string) => ((await admin.get(`/audit?${query}`)).body.items as Entry[]).map((entry) => entry.action)
  assert.deepEqual(await list(`entity_type=ticket&entity_id=${ticket}`), ['ticket.accept', 'ticket.create'])
  assert.deepEqual(await list(`entity_type=comment`), ['comment.create'])
  assert.deepEqual(await list(`action=ticket.accept`), ['ticket.accept'])
  const [newest] = (await admin.get('/audit?limit=1')).body.items as Entry[]
  assert.deepEqual(await list(`until=${newest!.at}`), ['comment.create', 'ticket.create', 'account.sign_in', 'account.sign_in'])
  assert.deepEqual(await list(`since=2100-01-01T00:00:00Z`), [])
  const first = (await admin.get('/audit?limit=2')).body
  assert.deepEqual((await list(`limit=2&cursor=${first.next_cursor}`)).length, 2)
})

test('the export is the same rows as JSON lines, the oldest first; others see none of them', async () => {
  const lines = async (client: typeof admin, query = '') => {
    const { status, headers, body } = await client.get(`/audit/export${query}`)
    assert.equal(status, 200)
    assert.match(String(headers['content-type']), /ndjson/)
    return String(body)
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Entry)
  }
  assert.deepEqual(
    (await lines(admin)).map(({ action, seq }) => [action, seq]),
    [
      ['account.sign_in', 1],
      ['account.sign_in', 2],
      ['ticket.create', 3],
      ['comment.create', 4],
      ['ticket.accept', 5],
    ],
  )
  assert.ok((await lines(stranger)).every((entry) => entry.organization_id !== organization.id))
  assert.equal((await lines(operator, `?organization_id=${organization.id}`)).length, 5)
  assert.equal((await agent.get('/audit/export')).status, 403)
})

test('an export of more rows than a page is whole', async () => {
  await database.owner(
    `insert into audit_log (organization_id, action, entity_type, entity_id) select $1, 'a.b', 'a', n::text from generate_series(1, 1203) n`,
    [organization.id],
  )
  const body = String((await admin.get('/audit/export?action=a.b')).body)
  const ids = body
    .split('\n')
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as Entry).entity_id)
  assert.deepEqual(
    ids,
    Array.from({ length: 1203 }, (_, n) => String(n + 1)),
  )
})
