import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inOrganization } from '#db/pool.ts'
import { sql } from '#db/sql.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'
import { z } from 'zod'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const other = await clientOf(app, database, 'customer_user', organization)
const customers = await clientOf(app, database, 'customer_admin', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'agent', await createOrganization(database))

const file = async (client: Client, subject: string, description = 'Nothing more.') =>
  (await client.post('/tickets', { subject, description })).body.id as string
const search = async (client: Client, q: string): Promise<string[]> =>
  (await client.get(`/search?q=${encodeURIComponent(q)}`)).body.items.map((item: { id: string }) => item.id)

test('words are found in any form, in the subject before the text, as a phrase and without others', async () => {
  const inSubject = await file(agent, 'Printers are jamming')
  const inText = await file(agent, 'Help', 'My printer jams every day, says the accountant.')
  assert.deepEqual(await search(agent, 'printer jam'), [inSubject, inText])
  assert.deepEqual(await search(agent, '"printer jams"'), [inText])
  assert.deepEqual(await search(agent, 'printer -accountant'), [inSubject])
  assert.deepEqual(await search(agent, 'the'), [])
  const { body } = await agent.get('/search?q=accountant')
  assert.match(body.items[0].excerpt, /accountant/)
  assert.doesNotMatch(body.items[0].excerpt, /</)
})

test('everybody finds what they may see: customers their own, and never what is internal', async () => {
  const own = await file(customer, 'Zeppelin lands')
  const foreign = await file(other, 'Zeppelin flies')
  const staff = await file(agent, 'Zeppelin burns')
  await agent.post(`/tickets/${own}/comments`, { content: 'It is a quagmire', is_internal: true })
  await agent.post(`/tickets/${own}/comments`, { content: 'We sent a gondolier' })
  assert.deepEqual(await search(customer, 'zeppelin'), [own])
  assert.deepEqual((await search(customers, 'zeppelin')).toSorted(), [own, foreign].toSorted())
  assert.deepEqual((await search(agent, 'zeppelin')).toSorted(), [own, foreign, staff].toSorted())
  assert.deepEqual([await search(agent, 'quagmire'), await search(customer, 'quagmire'), await search(customers, 'quagmire')], [[own], [], []])
  assert.deepEqual([await search(customer, 'gondolier'), await search(other, 'gondolier')], [[own], []])
  for (const words of ['zeppelin', 'quagmire', 'gondolier']) assert.deepEqual(await search(stranger, words), [])
})

test('pages of what was found miss none and repeat none', async () => {
  const ids = []
  for (let count = 0; count < 5; count += 1) ids.push(await file(agent, 'Xylophone out of tune'))
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body } = await agent.get(`/search?q=xylophone&limit=2${cursor ? `&cursor=${cursor}` : ''}`)
    seen.push(...body.items.map((item: { id: string }) => item.id))
    cursor = body.next_cursor
  }
  assert.deepEqual(seen, ids.toReversed())
})

test('nobody finds anything without a bound organisation', async () => {
  const count = sql.type(z.object({ count: z.number() }))`
    select count(*) as count from search_tickets(websearch_to_tsquery('english', 'zeppelin'), ${agent.user.id}::uuid, 'all', 100)`
  assert.equal(await database.app.oneFirst(count), 0)
  assert.equal(await inOrganization(database.app, organization.id, (tx) => tx.oneFirst(count)), 3)
})

test('a bulk change is shown first, then made, and each ticket is changed wholly or not at all', async () => {
  const [fresh, accepted] = [await file(agent, 'a'), await file(agent, 'b')]
  await agent.post(`/tickets/${accepted}/accept`)
  const foreign = await file(stranger, 'c')
  const wish = { ids: [fresh, accepted, foreign, fresh], changes: { priority: 'high', assignee_id: agent.user.id } }
  const said = (body: { items: { id: string; outcome: string }[] }) => Object.fromEntries(body.items.map(({ id, outcome }) => [id, outcome]))
  const expected = { [fresh]: 'refused', [accepted]: 'changed', [foreign]: 'refused' }
  const preview = await agent.post('/tickets/bulk', wish)
  assert.deepEqual([preview.status, preview.body.dry_run, preview.body.matched, preview.body.changed, preview.body.refused], [200, true, 2, 1, 2])
  assert.deepEqual(said(preview.body), expected)
  assert.equal((await agent.get(`/tickets/${accepted}`)).body.version, 2)
  const audit = await database.owner(`select from audit_log where entity_id = $1`, [accepted])
  const made = await agent.post('/tickets/bulk', { ...wish, dry_run: false })
  assert.deepEqual(said(made.body), expected)
  assert.deepEqual(made.body.items.find((item: { id: string }) => item.id === fresh).allowed, ['accepted', 'cancelled'])
  const after = (await agent.get(`/tickets/${accepted}`)).body
  assert.deepEqual([after.status, after.priority, after.assigned_to, after.version], ['assigned', 'high', agent.user.id, 4])
  const untouched = (await agent.get(`/tickets/${fresh}`)).body
  assert.deepEqual([untouched.priority, untouched.version], ['medium', 1])
  assert.equal((await stranger.get(`/tickets/${foreign}`)).body.version, 1)
  assert.equal((await database.owner(`select from audit_log where entity_id = $1`, [accepted])).length, audit.length + 2)
  assert.equal((await customer.post('/tickets/bulk', wish)).status, 403)
  assert.equal((await agent.post('/tickets/bulk', { ids: [fresh], changes: {} })).status, 400)
})

test('a word that many hold gives the newest of them; a rare one is found however old it is, and neither twice', async () => {
  const large = await createOrganization(database)
  const client = await clientOf(app, database, 'agent', large)
  const owner = await clientOf(app, database, 'customer_user', large)
  const make = (from: number, to: number, every: number, subject: string) =>
    database.owner(
      `with numbered as (update organizations set last_ticket_number = greatest(last_ticket_number, $3) where id = $1)
       insert into tickets (organization_id, number, requester_id, subject, description)
       select $1, n, $5, $6 || ' ' || n, 'Nothing more.' from generate_series($2::int, $3::int, $4::int) n`,
      [large.id, from, to, every, owner.user.id, subject],
    )
  await make(3, 3, 1, 'narwhal ancient')
  await make(1_000, 200_000, 1_000, 'walrus sparse')
  await make(200_001, 201_500, 1, 'seal common')
  const numbers = async (asker: Client, q: string): Promise<number[]> => {
    const found: number[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body } = await asker.get(`/search?limit=200&q=${encodeURIComponent(q)}${cursor ? `&cursor=${cursor}` : ''}`)
      found.push(...body.items.map((item: { number: number }) => item.number))
      cursor = body.next_cursor as string | null
    }
    assert.equal(new Set(found).size, found.length)
    return found
  }
  const admins = await clientOf(app, database, 'customer_admin', large)
  for (const asker of [client, owner, admins]) {
    assert.deepEqual(await numbers(asker, 'narwhal'), [3])
    assert.equal((await numbers(asker, 'walrus')).length, 200)
    assert.deepEqual(await numbers(asker, 'sparse -seal 77000'), [77_000])
    assert.deepEqual(await numbers(asker, '"walrus sparse 5000"'), [5_000])
  }
  const common = await numbers(client, 'seal')
  assert.ok(common.length >= 200 && common.length <= 500)
  assert.equal(Math.max(...common), 201_500)
  assert.deepEqual(await numbers(stranger, 'seal or walrus or narwhal'), [])
  await client.patch(`/tickets/${(await client.get('/search?q=narwhal')).body.items[0].id}`, { subject: 'beluga' })
  assert.deepEqual([await numbers(client, 'narwhal'), await numbers(client, 'beluga')], [[], [3]])
})
