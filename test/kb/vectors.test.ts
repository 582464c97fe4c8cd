import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { prepareEmbeddings } from '#db/embeddings.ts'
import { serviceUrls } from '#db/logins.ts'
import { openDatabase } from '#db/pool.ts'
import { kbSuggest } from '#jobs/kb-suggest.ts'
import { ragIndex } from '#jobs/rag-index.ts'
import { run } from '../cli/program.ts'
import { newTicket, resultOf, runJob } from '../jobs/run-job.ts'
import { connectOwner } from '../support/database.ts'
import { once } from '../support/debian-postgres.ts'
import { fakeEmbeddings } from '../support/embeddings.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'
import { vectorBinaries, vectorDatabase } from '../support/vector-database.ts'

const bin = vectorBinaries()
const only = { skip: !bin && 'no PostgreSQL of the distribution with the extension vector' }
const DIMENSIONS = 8

/** Words that mean the same have the same direction; each text is what its words say together. */
const MEANINGS = [
  ['vpn', 'certificate', 'tunnel', 'credential'],
  ['printer', 'paper', 'jam', 'sheet'],
  ['coffee', 'espresso', 'bean'],
  ['guest', 'wireless', 'visitor'],
]
function meaningOf(text: string): number[] {
  const words = text.toLowerCase().match(/[a-z]+/g) ?? []
  const counts = MEANINGS.map((same) => words.filter((word) => same.includes(word)).length)
  // What means none of it points elsewhere.
  return [...counts, ...Array.from({ length: DIMENSIONS - MEANINGS.length - 1 }, () => 0), counts.every((count) => count === 0) ? 1 : 0.05]
}

const endpoint = await fakeEmbeddings(meaningOf)
let configuration = 0
/** Every case has a circuit of its own: another configuration is another model. */
function configure(settings: Record<string, string> = {}): void {
  configuration += 1
  Object.assign(process.env, { EMBEDDINGS_URL: endpoint.url, EMBEDDINGS_DIMENSIONS: String(DIMENSIONS), EMBEDDINGS_BREAK_AFTER: '10' })
  Object.assign(process.env, { EMBEDDINGS_BREAK_MS: String(60_000 + configuration), EMBEDDINGS_SEARCH_MS: '10000', ...settings })
}

const server = bin ? await vectorDatabase(bin) : null
if (server) assert.equal(await prepareEmbeddings(server.ownerUrl, DIMENSIONS), 'made')
const service = server && (await testServer(server))

/** An organisation of its own that wants vectors. */
async function desk() {
  configure()
  endpoint.answer = 'vectors'
  const [database, app] = [server!, service!]
  const organization = await createOrganization(database)
  const admin = await clientOf(app, database, 'admin', organization)
  const customer = await clientOf(app, database, 'customer_user', organization)
  const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
  await admin.patch('/settings', { ai_embeddings_enabled: true })
  await stranger.patch('/settings', { ai_embeddings_enabled: true })
  const fill = async (source_type: 'kb' | 'ticket', source_id: string) => {
    await runJob(database, ragIndex, organization.id, { source_type, source_id })
    return resultOf(await runJob(database, ragIndex, organization.id, { source_type, source_id, vectors: true }))
  }
  const article = async (title: string, content: string, more: object = {}): Promise<string> => {
    const { id } = (await admin.post('/kb/articles', { title, content, is_published: true, ...more })).body
    await fill('kb', id)
    return id
  }
  return { database, organization, admin, customer, stranger, fill, article }
}

const search = async (client: Client, q: string, more = '') => {
  const { body } = await client.get(`/rag/search?q=${encodeURIComponent(q)}${more}`)
  assert.ok(body.items, JSON.stringify(body))
  return { ...body, titles: body.items.map(({ title }: { title: string }) => title) } as {
    titles: string[]
    basis: string
    basis_reason: string | null
    next_cursor: string | null
    items: { vector_score: number; lexical_score: number; score: number }[]
  }
}

test('what shares no word with a query is found by nearness, by whom may see it alone, and both together rank', only, async () => {
  const { database, organization, admin, customer, stranger, article } = await desk()
  const vpn = await article('Renew the VPN certificate', 'Open the client, and press Renew.')
  await article('Paper jams', 'Open the rear door of the printer.')
  const secret = await article('VPN certificate authority', 'Its keys lie in the safe.', { is_internal: true })
  const found = await search(customer, 'tunnel credential')
  assert.deepEqual([found.titles, found.basis, found.basis_reason], [['Renew the VPN certificate'], 'hybrid', null])
  assert.deepEqual([found.items[0]!.lexical_score, found.items[0]!.vector_score > 0], [0, true])
  assert.deepEqual(new Set((await search(admin, 'tunnel credential')).titles), new Set(['Renew the VPN certificate', 'VPN certificate authority']))
  assert.deepEqual((await search(stranger, 'tunnel credential')).titles, [])
  assert.deepEqual((await search(customer, 'zebra')).titles, [])
  // A word that one of them has, beside a meaning that both have.
  assert.equal((await search(admin, 'tunnel safe')).titles[0], 'VPN certificate authority')

  // Who may see it is asked of the article as it is now, before any job has run.
  await admin.patch(`/kb/articles/${secret}`, { is_internal: false })
  assert.equal((await search(customer, 'tunnel credential')).titles.length, 2)
  await admin.patch(`/kb/articles/${vpn}`, { is_internal: true })
  assert.deepEqual((await search(customer, 'tunnel credential')).titles, ['VPN certificate authority'])
  await admin.post(`/kb/articles/${vpn}/unpublish`)
  assert.deepEqual((await search(admin, 'tunnel credential')).titles, ['VPN certificate authority'])

  // A suggestion for a ticket, and what is like it, come by nearness as well.
  const ticket = await newTicket(
    database,
    { id: organization.id, customer: customer.user.id, agent: admin.user.id },
    { subject: 'My tunnel', description: 'No credential.' },
  )
  const result = resultOf(await runJob(database, kbSuggest, organization.id, { ticket_id: ticket }))
  assert.deepEqual([result['suggestions'], result['basis']], [1, 'hybrid'])
  const related = (await admin.get(`/rag/tickets/${ticket}/similar`)).body
  assert.deepEqual([related.basis, related.items[0].source_id], ['hybrid', secret])
  // A phrase is looked for word by word.
  assert.equal((await search(admin, '"rear door"')).basis, 'lexical')
})

test('what has not changed is not sent again, secrets and names are taken out, and all that left stands in the ledger', only, async () => {
  const { database, organization, admin, customer, fill, article } = await desk()
  endpoint.calls.length = 0
  const long = (word: string) => `${word} `.repeat(90)
  const id = await article('Printer', `${long('paper')}\n\n${long('coffee')}`)
  assert.equal(endpoint.calls.flat().length, 2)
  assert.deepEqual(await fill('kb', id), { vectors: 2, sent: 0 })
  await admin.patch(`/kb/articles/${id}`, { content: `${long('wireless')}\n\n${long('paper')}\n\n${long('coffee')}` })
  assert.deepEqual(await fill('kb', id), { vectors: 3, sent: 1 })
  assert.equal((await database.owner('select from rag_embeddings where organization_id = $1', [organization.id])).length, 3)

  const ticket = (await customer.post('/tickets', { subject: 'Guest', description: `I am A customer_user, kim@example.test, my password is hunter22.` })).body
    .id
  await database.owner(`update tickets set status = 'resolved', resolved_at = now() where id = $1`, [ticket])
  assert.equal((await fill('ticket', ticket))['sent'], 1)
  const sent = endpoint.calls.at(-1)![0]!
  assert.doesNotMatch(sent, /kim@|hunter22|customer_user/)
  const ledger = (await admin.get('/ai/egress?limit=200')).body.items as { purpose: string; redacted_text: string; outcome: string; ticket_id: string | null }[]
  assert.deepEqual([ledger[0]!.purpose, ledger[0]!.redacted_text, ledger[0]!.outcome, ledger[0]!.ticket_id], ['embedding', sent, 'answered', ticket])
  assert.equal(ledger.length, endpoint.calls.length)

  // The same question twice leaves once; without the organisation's word nothing does.
  await search(customer, 'espresso')
  await search(customer, 'espresso', '&limit=1')
  assert.equal(endpoint.calls.filter(([text]) => text === 'espresso').length, 1)
  await admin.patch('/settings', { ai_embeddings_enabled: false })
  const { basis, basis_reason } = await search(customer, 'bean')
  assert.deepEqual([basis, basis_reason], ['lexical', 'the organisation wants no embedding model'])
  assert.deepEqual(await fill('kb', id), { skipped: 'the organisation wants no embedding model' })
  assert.ok(!endpoint.calls.flat().includes('bean'))
})

test('an endpoint that is down, slow or says nonsense leaves the words, says so, and is left alone after some failures', only, async () => {
  const { database, customer, admin, article } = await desk()
  await article('Renew the VPN certificate', 'Open the client.')
  await article('VPN for guests', 'Ask at the desk.')
  configure({ EMBEDDINGS_BREAK_AFTER: '2' })
  endpoint.answer = 503
  const first = await search(customer, 'vpn certificate')
  assert.deepEqual([first.titles[0], first.basis, first.basis_reason], ['Renew the VPN certificate', 'lexical', 'the embedding model answered 503'])
  assert.match((await search(customer, 'vpn certificates')).basis_reason!, /answered 503/)
  const calls = endpoint.calls.length
  assert.match((await search(customer, 'vpn')).basis_reason!, /left alone/)
  assert.equal(endpoint.calls.length, calls)
  const [seen] = await database.owner(`select circuit from dependencies where name = 'embedding_model'`)
  assert.equal(seen!['circuit'], 'open')
  assert.deepEqual(
    (await admin.get('/ai/egress')).body.items.slice(0, 2).map(({ outcome }: { outcome: string }) => outcome),
    ['failed', 'failed'],
  )

  configure({ EMBEDDINGS_SEARCH_MS: '200' })
  endpoint.answer = 'silence'
  assert.match((await search(customer, 'vpn client')).basis_reason!, /took too long/)

  // A list that began with both does not go on by words alone.
  configure()
  endpoint.answer = 'vectors'
  const page = await search(customer, 'vpn', '&limit=1')
  assert.equal(page.basis, 'hybrid')
  configure({ EMBEDDINGS_MODEL: 'another', EMBEDDINGS_DIMENSIONS: '9' })
  assert.equal((await customer.get(`/rag/search?q=vpn&limit=1&cursor=${page.next_cursor}`)).status, 409)
  assert.equal((await search(customer, 'vpn')).basis_reason, 'the database has no room for vectors')
  const health = (await customer.get('/health')).body.checks.embeddings
  assert.equal(health.status, 'fault')
  assert.match(health.detail, /migrate up/)
  delete process.env['EMBEDDINGS_MODEL']
})

test('vectors are in no backup, which a restore says, and jobs make all of them anew', only, async () => {
  const { database, organization, article } = await desk()
  const id = await article('Renew the VPN certificate', 'Open the client.')
  const vectors = `select chunk_index, text_hash, embedding::text from rag_embeddings where organization_id = '${organization.id}' order by 1`
  const before = await database.owner(vectors)
  assert.ok(before.length > 0)
  const folder = await mkdtemp(join(tmpdir(), 'atum-desk-vectors-'))
  after(() => rm(folder, { recursive: true }))
  const ATUM_DATA_DIR = join(folder, 'data')
  for (const method of ['pg_dump', 'copy']) {
    const kept = await run(['backup', join(folder, method), '--method', method], { DATABASE_URL: database.ownerUrl, ATUM_DATA_DIR })
    assert.equal(kept.code, 0, kept.stderr)
    await database.owner(`create database by_${method}`)
    const ownerUrl = database.ownerUrl.replace(/desk$/, `by_${method}`)
    const { code, stdout, stderr } = await run(['restore', join(folder, method)], { DATABASE_URL: ownerUrl, ATUM_DATA_DIR })
    assert.equal(code, 0, stderr)
    assert.match(`${stdout}${stderr}`, /Vectors are in no backup: the schedule rag-vectors has those made anew/)

    const owner = connectOwner(ownerUrl)
    const restored = { ...(await openDatabase(serviceUrls(ownerUrl), { size: 2, name: 'test' })), ownerUrl, owner: owner.query }
    try {
      assert.deepEqual(await owner.query(vectors), [])
      await prepareEmbeddings(ownerUrl, DIMENSIONS)
      const sent = resultOf(await runJob(restored, ragIndex, null, { missing_vectors: true }))
      assert.ok(Number(sent['documents']) > 0)
      const waiting = `select from job_queue where status = 'queued' and unique_key = 'vectors kb ${id}'`
      assert.equal((await owner.query(waiting)).length, 1)
      await runJob(restored, ragIndex, organization.id, { source_type: 'kb', source_id: id, vectors: true })
      assert.deepEqual(await owner.query(vectors), before)
    } finally {
      await restored.end()
      await owner.end()
    }
  }
})

test('vectors of another length or model are made anew by jobs, and an index serves where there are many', only, async () => {
  const { database, organization, customer, article } = await desk()
  const id = await article('Renew the VPN certificate', 'Open the client.')
  const missing = async () => resultOf(await runJob(database, ragIndex, null, { missing_vectors: true }))['documents']
  const before = Number(await missing())
  configure({ EMBEDDINGS_MODEL: 'newer' })
  assert.ok(Number(await missing()) > before)
  assert.equal(
    (
      await database.owner(
        `select from job_queue where job_type = 'RAG_INDEX' and unique_key like 'vectors %' and payload ->> 'source_id' = $1 and status = 'queued'`,
        [id],
      )
    ).length,
    1,
  )
  assert.deepEqual((await search(customer, 'credential')).titles, [])
  delete process.env['EMBEDDINGS_MODEL']
  configure()
  assert.equal(await prepareEmbeddings(database.ownerUrl, DIMENSIONS), 'ready')
  assert.equal(await prepareEmbeddings(database.ownerUrl, null), 'ready')
  assert.equal((await search(customer, 'credential')).titles.length, 1)

  // More than are compared one by one: most of them of an article that customers do not see.
  const hidden = await article('Noise', 'Nothing.', { is_internal: true })
  await database.owner(
    `insert into rag_embeddings (organization_id, document_id, chunk_index, model, text_hash, embedding)
     select $1, (select id from rag_documents where source_id = $2), n, 'nomic-embed-text', '', array[1, 0.05 * sin(n), 0.05 * sin(2 * n), 0.05 * sin(3 * n), 0.05 * sin(5 * n), 0.05 * sin(7 * n), 0.05 * sin(11 * n), 0.05]::vector from generate_series(1, 10100) n`,
    [organization.id, hidden],
  )
  assert.deepEqual((await search(customer, 'credential')).titles, ['Renew the VPN certificate'])
  assert.equal(await prepareEmbeddings(database.ownerUrl, 4), 'made')
  assert.equal((await database.owner('select from rag_embeddings')).length, 0)
})

test('an owner who may not make the extension is told so, and one who may finds it', only, async () => {
  const { ownerUrl, owner } = server!
  await owner('create role landlord login createrole')
  const url = new URL(ownerUrl)
  await once(ownerUrl, 'create database let owner landlord')
  url.pathname = '/let'
  const asOwner = url.href
  url.username = 'landlord'
  await once(asOwner, 'grant all on schema public to landlord')
  const definition = String((await owner(`select pg_get_functiondef('prepare_embeddings(integer)'::regprocedure) as text`))[0]!['text'])
  await once(url.href, definition)
  assert.equal(await prepareEmbeddings(url.href, 8), 'refused')
})
