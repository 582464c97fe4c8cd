import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prepareEmbeddings } from '#db/embeddings.ts'
import { ragIndex } from '#jobs/rag-index.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'
import { resultOf, runJob } from '../jobs/run-job.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const manager = await clientOf(app, database, 'manager', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))

const indexed = async (source_type: 'kb' | 'ticket', source_id: string) => runJob(database, ragIndex, organization.id, { source_type, source_id })

async function article(title: string, content: string, more: object = {}): Promise<{ id: string; slug: string }> {
  const { body } = await agent.post('/kb/articles', { title, content, is_published: true, ...more })
  await indexed('kb', body.id)
  return body
}

async function solved(subject: string, description: string, answer: string): Promise<string> {
  const { id } = (await customer.post('/tickets', { subject, description })).body
  await agent.post(`/tickets/${id}/accept`)
  await agent.post(`/tickets/${id}/comments`, { content: answer })
  for (const status of ['assigned', 'in_progress', 'resolved']) await agent.post(`/tickets/${id}/status`, { status })
  await indexed('ticket', id)
  return id
}

const vpn = await article('Renew the VPN certificate', 'Open the client and choose Settings. Press Renew certificate, then sign in again.')
const secret = await article('VPN certificate authority', 'The keys of the VPN certificate authority lie in the safe.', { is_internal: true })
const jam = await article('Paper jams', 'Open the rear door of the printer and pull the sheet out slowly.')
const tunnel = await solved('Tunnel is down', 'The VPN tunnel does not start since this morning.', `Please follow /kb/articles/${vpn.id} and restart.`)
const titles = async (client: Client, query: string): Promise<string[]> =>
  (await client.get(`/rag/search?${query}`)).body.items.map(({ title }: { title: string }) => title)

test('customers find published public articles, staff also internal ones and solved tickets, strangers nothing', async () => {
  assert.deepEqual(await titles(customer, 'q=vpn%20certificate'), ['Renew the VPN certificate'])
  assert.deepEqual((await titles(agent, 'q=vpn%20certificate')).toSorted(), ['Renew the VPN certificate', 'Tunnel is down', 'VPN certificate authority'])
  assert.deepEqual(await titles(agent, 'q=vpn&source_type=ticket'), ['Tunnel is down'])
  assert.deepEqual(await titles(stranger, 'q=vpn%20certificate'), [])
  assert.deepEqual(await titles(customer, 'q=zebra'), [])
  assert.deepEqual(await titles(customer, `q=${encodeURIComponent('"rear door"')}`), ['Paper jams'])
  assert.deepEqual(await titles(customer, `q=${encodeURIComponent('printer -rear')}`), [])
  for (const q of ['the', '%27%20or%201=1', '%26%20%7C%20!', '%00']) assert.ok([200, 400].includes((await agent.get(`/rag/search?q=${q}`)).status), q)
})

test('what becomes internal is gone for customers at once, before any job has run', async () => {
  const { id } = await article('Guest network', 'The password of the guest wireless is on the whiteboard.')
  assert.deepEqual(await titles(customer, 'q=wireless'), ['Guest network'])
  await agent.patch(`/kb/articles/${id}`, { is_internal: true })
  assert.deepEqual(await titles(customer, 'q=wireless'), [])
  assert.deepEqual(await titles(agent, 'q=wireless'), ['Guest network'])
  await agent.post(`/kb/articles/${id}/unpublish`)
  assert.deepEqual(await titles(agent, 'q=wireless'), [])
})

test('a link brings what shares no word with the query, and says by which link it came', async () => {
  const reset = await article('Restart a gateway', `Turn the box off and on. Before that see /kb/articles/by-slug/${jam.slug}.`)
  const found = (await customer.get('/rag/search?q=gateway')).body.items
  assert.deepEqual(
    found.map(({ source_id, lexical_score }: { source_id: string; lexical_score: number }) => [source_id, lexical_score]),
    [
      [reset.id, 1],
      [jam.id, 0],
    ],
  )
  assert.deepEqual(found[1].linked_from, [{ title: 'Restart a gateway', edge: 'relates_to' }])
  const hidden = await article('Quokka handling', 'Ask the keeper.', { is_internal: true })
  await article('Animals on site', `Dogs are fine. For others see /kb/articles/${hidden.id}.`)
  const [forCustomers, forStaff] = [await titles(customer, 'q=dogs'), await titles(agent, 'q=dogs')]
  assert.deepEqual([forCustomers[0], forCustomers.includes('Quokka handling'), forStaff.includes('Quokka handling')], ['Animals on site', false, true])
})

test('pages of found documents miss none and repeat none', async () => {
  for (let count = 0; count < 5; count += 1) await article(`Keyboard ${count}`, `keyboard layout number ${count}`)
  const seen: string[] = []
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body } = await customer.get(`/rag/search?q=keyboard&limit=2${cursor ? `&cursor=${cursor}` : ''}`)
    seen.push(...body.items.map(({ title }: { title: string }) => title))
    cursor = body.next_cursor
  }
  assert.deepEqual([seen.length, new Set(seen).size], [5, 5])
})

test('edges come from real links: related and duplicate tickets, articles that were sent; parting two tickets takes theirs away', async () => {
  const again = await solved('Tunnel again', 'The tunnel broke once more.', 'Same as before.')
  const edges = async (id: string) =>
    (
      await database.owner<{ edge: string }>(
        `select edge_type || ' ' || target.label as edge from rag_edges join rag_nodes origin on origin.id = from_node join rag_nodes target on target.id = to_node
          where origin.node_key = $1 and weight = 1 order by 1`,
        [id],
      )
    ).map(({ edge }) => edge)
  assert.deepEqual(await edges(tunnel), ['solves Renew the VPN certificate'])
  const jobs = async () => (await database.owner(`select from job_queue where job_type = 'RAG_INDEX' and payload ->> 'source_id' = $1`, [again])).length
  const before = await jobs()
  const relation = (await agent.post(`/tickets/${again}/relations`, { type: 'duplicate_of', ticket_id: tunnel })).body
  assert.equal(await jobs(), before + 1)
  await indexed('ticket', again)
  assert.deepEqual(await edges(again), ['duplicate_of Tunnel is down'])
  await agent.delete(`/tickets/${again}/relations/${relation.id}`)
  await indexed('ticket', again)
  assert.deepEqual(await edges(again), [])
})

test('a ticket is told what was solved and written before, as documents and as passages with their sources', async () => {
  const { id } = (await customer.post('/tickets', { subject: 'VPN certificate expired', description: 'The client says that my VPN certificate has expired.' }))
    .body
  const similar = await agent.get(`/rag/tickets/${id}/similar`)
  assert.equal(similar.status, 200)
  assert.equal(similar.body.items[0].source_id, vpn.id)
  const { body } = await agent.get(`/rag/tickets/${id}/context`)
  const passage = body.passages.find((one: { source_id: string }) => one.source_id === vpn.id)
  assert.match(passage.text, /Press Renew certificate/)
  assert.deepEqual([passage.version, body.characters > 0], [1, true])
  assert.ok(body.passages.some((one: { source_id: string }) => one.source_id === secret.id))
  for (const path of ['similar', 'context']) {
    assert.equal((await customer.get(`/rag/tickets/${id}/${path}`)).status, 403)
    assert.equal((await stranger.get(`/rag/tickets/${id}/${path}`)).status, 404)
  }
})

test('open and recent tickets about the same are shown, with what people said of the two, and none of somebody else', async () => {
  const text = { subject: 'Badge reader at gate four is dead', description: 'The badge reader at gate four does not open the gate any more.' }
  const first = (await customer.post('/tickets', text)).body
  const second = (await customer.post('/tickets', { ...text, subject: 'Gate four: badge reader' })).body
  const cancelled = (await customer.post('/tickets', text)).body
  await agent.post(`/tickets/${cancelled.id}/status`, { status: 'cancelled' })
  await agent.post(`/tickets/${second.id}/relations`, { type: 'related', ticket_id: first.id })
  const { body } = await agent.get(`/tickets/${second.id}/similar`)
  assert.deepEqual([body.items[0].id, body.items[0].relation], [first.id, 'related'])
  assert.ok(body.items[0].similarity > 0.5 && body.items[0].similarity <= 1)
  assert.ok(body.items.every((one: { id: string }) => one.id !== cancelled.id && one.id !== second.id))
  assert.equal((await customer.get(`/tickets/${second.id}/similar`)).status, 403)
  assert.equal((await stranger.get(`/tickets/${second.id}/similar`)).status, 404)
})

test('an old slug leads to its article, and to no other one', async () => {
  const made = (await agent.post('/kb/articles', { title: 'Slugs', content: 'c', slug: 'about-slugs', is_published: true })).body
  assert.equal((await customer.get('/kb/articles/by-slug/about-slugs')).body.id, made.id)
  assert.equal((await agent.patch(`/kb/articles/${made.id}`, { slug: 'on-slugs' })).status, 200)
  const moved = await customer.get('/kb/articles/by-slug/about-slugs')
  assert.deepEqual([moved.status, moved.headers['location']], [308, '/api/v1/kb/articles/by-slug/on-slugs'])
  const taken = await agent.post('/kb/articles', { title: 'Other', content: 'c', slug: 'about-slugs' })
  assert.deepEqual([taken.status, taken.body.errors[0].path], [409, 'slug'])
  assert.equal((await agent.patch(`/kb/articles/${jam.id}`, { slug: 'on-slugs' })).status, 409)
  assert.equal((await agent.patch(`/kb/articles/${made.id}`, { slug: 'about-slugs' })).status, 200)
  assert.equal((await customer.get('/kb/articles/by-slug/on-slugs')).status, 308)
  assert.equal((await agent.post('/kb/articles', { title: 'x', content: 'c', slug: 'Not A Slug' })).status, 400)
  assert.equal((await stranger.get('/kb/articles/by-slug/about-slugs')).status, 404)
  assert.equal((await stranger.post('/kb/articles', { title: 'Mine', content: 'c', slug: 'about-slugs' })).status, 201)
  await agent.post(`/kb/articles/${made.id}/unpublish`)
  assert.equal((await customer.get('/kb/articles/by-slug/about-slugs')).status, 404)
})

test('a reader says once whether an article helped, and may change it', async () => {
  const say = (client: Client, body: object) => client.post(`/kb/articles/${vpn.id}/feedback`, body)
  assert.equal((await say(customer, { is_helpful: false, comment: 'Which client?' })).status, 201)
  assert.equal((await say(agent, { is_helpful: true })).status, 201)
  assert.equal((await say(customer, { is_helpful: true })).body.comment, null)
  const { body } = await manager.get(`/kb/articles/${vpn.id}/feedback`)
  assert.deepEqual(
    body.items.map(({ user_id, is_helpful }: { user_id: string; is_helpful: boolean }) => [user_id, is_helpful]),
    [
      [customer.user.id, true],
      [agent.user.id, true],
    ],
  )
  assert.equal((await customer.post(`/kb/articles/${secret.id}/feedback`, { is_helpful: true })).status, 404)
  assert.equal((await customer.get(`/kb/articles/${vpn.id}/feedback`)).status, 403)
  assert.equal((await stranger.get(`/kb/articles/${vpn.id}/feedback`)).status, 404)
})

test('a solved ticket that is tagged, or spoken on once more, is indexed anew; an open one is not', async () => {
  const jobs = async (id: string) => (await database.owner(`select from job_queue where job_type = 'RAG_INDEX' and payload ->> 'source_id' = $1`, [id])).length
  const before = await jobs(tunnel)
  await agent.patch(`/tickets/${tunnel}`, { tags: ['vpn'] })
  await customer.post(`/tickets/${tunnel}/comments`, { content: 'Thank you, it works.' })
  assert.equal(await jobs(tunnel), before + 2)
  const open = (await customer.post('/tickets', { subject: 's', description: 'd' })).body.id
  await agent.patch(`/tickets/${open}`, { tags: ['vpn'] })
  await customer.post(`/tickets/${open}/comments`, { content: 'Hello?' })
  assert.equal(await jobs(open), 0)
})

test('where the server has no extension for vectors, all goes on by words, and health says what to do', async () => {
  Object.assign(process.env, { EMBEDDINGS_URL: 'http://127.0.0.1:9/v1' })
  try {
    assert.equal(await prepareEmbeddings(database.ownerUrl, 768), 'unavailable')
    const admin = await clientOf(app, database, 'admin', organization)
    assert.equal((await admin.patch('/settings', { ai_embeddings_enabled: true })).body.ai_embeddings_enabled, true)
    const { basis, basis_reason, items } = (await customer.get('/rag/search?q=printer')).body
    assert.deepEqual([basis, basis_reason, items[0].vector_score], ['lexical', 'the database has no room for vectors', 0])
    const { status, detail } = (await customer.get('/health')).body.checks.embeddings
    assert.equal(status, 'fault')
    assert.match(detail, /no extension vector \(pgvector\)/)
    const { id } = await article('Scanner', 'Press scan.')
    const outcome = await runJob(database, ragIndex, organization.id, { source_type: 'kb', source_id: id, vectors: true })
    assert.deepEqual(resultOf(outcome), { skipped: 'the database has no room for vectors' })
    assert.equal((await database.owner('select from ai_egress')).length, 0)
  } finally {
    delete process.env['EMBEDDINGS_URL']
  }
  assert.equal((await customer.get('/rag/search?q=printer')).body.basis_reason, 'no embedding model is set')
})

const TEXTS = [
  {
    language: 'german',
    title: 'Kennwörter zurücksetzen',
    content:
      'Wenn Sie Ihr Kennwort vergessen haben, öffnen Sie die Anmeldung und drücken auf den Verweis darunter. Die Druckertreiber sind davon nicht betroffen.',
    asked: ['Kennworts', 'vergessenes Kennwort', 'Verweise'],
  },
  {
    language: 'french',
    title: 'Commander des imprimantes',
    content:
      'Pour commander une imprimante, il faut ouvrir le catalogue et choisir un modèle qui convient à votre bureau. Les commandes sont livrées le lundi.',
    asked: ['imprimante', 'commandées', 'catalogues'],
  },
  {
    language: 'spanish',
    title: 'Solicitar vacaciones',
    content: 'Para solicitar sus vacaciones debe abrir el calendario y elegir los días que desea; la solicitud la aprueba su responsable en una semana.',
    asked: ['solicitudes', 'vacación', 'calendarios'],
  },
] as const

test('texts in German, French and Spanish are found by other forms of their words, beside English ones', async () => {
  const polyglots = await createOrganization(database)
  const [reader, writer] = [await clientOf(app, database, 'customer_user', polyglots), await clientOf(app, database, 'agent', polyglots)]
  const add = async (title: string, content: string): Promise<void> => {
    const { id } = (await writer.post('/kb/articles', { title, content, is_published: true })).body
    await runJob(database, ragIndex, polyglots.id, { source_type: 'kb', source_id: id })
  }
  await add('Ordering routers', 'The routers are ordered by the network team; ask them for the address of the firewall.')
  for (const { title, content } of TEXTS) await add(title, content)
  const languages = await database.owner('select language from rag_documents where organization_id = $1 order by language', [polyglots.id])
  assert.deepEqual(
    languages.map((row) => row['language']),
    ['english', 'french', 'german', 'spanish'],
  )
  for (const { title, asked } of TEXTS)
    for (const words of asked) {
      assert.deepEqual(await titles(reader, `q=${encodeURIComponent(words)}`), [title], words)
      const listed = (await reader.get(`/kb/articles?q=${encodeURIComponent(words)}`)).body.items.map((each: { title: string }) => each.title)
      // All words of a list's query must be there.
      assert.deepEqual(listed, [title], words)
    }
  assert.deepEqual(await titles(reader, 'q=router'), ['Ordering routers'])
  assert.deepEqual(await titles(reader, `q=${encodeURIComponent('network -routers')}`), [])
  assert.deepEqual((await reader.get(`/kb/articles?q=${encodeURIComponent('network -routers')}`)).body.items, [])
})
