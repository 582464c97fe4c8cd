import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kbSuggest } from '#jobs/kb-suggest.ts'
import { smartReply } from '#jobs/smart-reply.ts'
import { testDatabase } from '../support/database.ts'
import { newTenant, newTicket, resultOf, runJob } from './run-job.ts'
import type { Tenant } from './run-job.ts'

const database = await testDatabase()

const VPN = 'Open the client and choose Settings. Press Renew certificate, then sign in again.\n\nIf the tunnel still does not start, restart the computer.'

async function newArticle(tenant: Tenant, title: string, content: string, { internal = false, published = true } = {}): Promise<string> {
  const [row] = await database.owner<{ id: string }>(
    `insert into kb_articles (organization_id, slug, title, content, is_internal, is_published) values ($1, lower(md5($2)), $2, $3, $4, $5) returning id`,
    [tenant.id, title, content, internal, published],
  )
  return row!.id
}

async function library(): Promise<{ tenant: Tenant; vpn: string }> {
  const tenant = await newTenant(database)
  const vpn = await newArticle(tenant, 'Renew the VPN certificate', VPN)
  await newArticle(tenant, 'Paper jams', 'Open the rear door of the printer and pull the sheet out slowly.')
  await newArticle(tenant, 'Book a meeting room', 'Rooms are booked in the calendar; the room answers by itself.')
  await newArticle(tenant, 'VPN certificate authority keys', 'Where the VPN certificate keys are kept.', { internal: true })
  await newArticle(tenant, 'VPN certificate draft', 'VPN certificate renewal, not finished.', { published: false })
  return { tenant, vpn }
}

const QUESTION = { subject: 'VPN certificate expired', description: 'The VPN tunnel does not start, the client says that my certificate has expired.' }

const suggestionsOf = (ticket: string): Promise<Record<string, unknown>[]> =>
  database.owner('select article_id, title, relevance_score, is_helpful from ticket_kb_suggestions where ticket_id = $1 order by relevance_score desc', [
    ticket,
  ])

test('a ticket is shown the public article that speaks of it, and neither internal nor unpublished ones', async () => {
  const { tenant, vpn } = await library()
  const ticket = await newTicket(database, tenant, QUESTION)
  await runJob(database, kbSuggest, tenant.id, { ticket_id: ticket })
  const rows = await suggestionsOf(ticket)
  assert.equal(rows[0]!['article_id'], vpn)
  assert.ok(Number(rows[0]!['relevance_score']) > 0.1 && Number(rows[0]!['relevance_score']) <= 1)
  assert.ok(rows.every(({ title }) => !/keys|draft/.test(String(title))))
  await runJob(database, kbSuggest, tenant.id, { ticket_id: ticket })
  assert.deepEqual(await suggestionsOf(ticket), rows)
})

test('a foreign ticket is shown nothing and gets no draft', async () => {
  const { tenant } = await library()
  const ticket = await newTicket(database, tenant, { subject: 'Parking permit', description: 'How long is the garage open at weekends?' })
  await runJob(database, kbSuggest, tenant.id, { ticket_id: ticket })
  assert.deepEqual(await suggestionsOf(ticket), [])
  const outcome = resultOf(await runJob(database, smartReply, tenant.id, { ticket_id: ticket }))
  assert.equal(outcome['draft'], null)
  assert.match(String(outcome['reason']), /close enough/)
  assert.deepEqual(await database.owner('select id from ai_suggestions where ticket_id = $1', [ticket]), [])
})

test('where an article helped, the next ticket that asks in the same words is shown it', async () => {
  const { tenant, vpn } = await library()
  const words = { subject: 'Orange padlock', description: 'The orange padlock in the corner is blinking since Monday.' }
  const first = await newTicket(database, tenant, words)
  await runJob(database, kbSuggest, tenant.id, { ticket_id: first })
  assert.deepEqual(await suggestionsOf(first), [])
  await database.owner(
    `insert into ticket_kb_suggestions (organization_id, ticket_id, article_id, title, excerpt, relevance_score, is_helpful) values ($1, $2, $3, 'VPN', '', 1, true)`,
    [tenant.id, first, vpn],
  )
  const second = await newTicket(database, tenant, { subject: 'Padlock', description: 'An orange padlock is blinking' })
  await runJob(database, kbSuggest, tenant.id, { ticket_id: second })
  assert.equal((await suggestionsOf(second))[0]!['article_id'], vpn)
})

test('a withdrawn article leaves the suggestions, unless somebody voted on it', async () => {
  const { tenant, vpn } = await library()
  const [voted, plain] = [await newTicket(database, tenant, QUESTION), await newTicket(database, tenant, QUESTION)]
  for (const ticket_id of [voted, plain]) await runJob(database, kbSuggest, tenant.id, { ticket_id })
  await database.owner('update ticket_kb_suggestions set is_helpful = true where ticket_id = $1', [voted])
  await database.owner('update kb_articles set is_published = false, version = version + 1 where id = $1', [vpn])
  for (const ticket_id of [voted, plain]) await runJob(database, kbSuggest, tenant.id, { ticket_id })
  assert.equal((await suggestionsOf(voted)).length, 1)
  assert.deepEqual(await suggestionsOf(plain), [])
})

test('a draft quotes its sources word for word and expires in half an hour', async () => {
  const { tenant, vpn } = await library()
  const ticket = await newTicket(database, tenant, QUESTION)
  for (let run = 0; run < 2; run += 1) await runJob(database, smartReply, tenant.id, { ticket_id: ticket })
  const rows = await database.owner<{
    content: string
    citations: { source_id: string; source_type: string; quote: string; version: number }[]
    minutes: number
  }>('select content, citations, extract(epoch from expires_at - created_at)::float8 / 60 as minutes from ai_suggestions where ticket_id = $1', [ticket])
  assert.equal(rows.length, 1)
  const [citation] = rows[0]!.citations
  assert.equal(citation!.source_id, vpn)
  assert.equal(citation!.version, 1)
  assert.ok(VPN.includes(citation!.quote))
  assert.ok(rows[0]!.content.includes(citation!.quote))
  assert.equal(rows[0]!.minutes, 30)
})

test('a draft reuses the answer that solved a like ticket, without the names and addresses in it', async () => {
  const tenant = await newTenant(database)
  const solved = await newTicket(database, tenant, { ...QUESTION, status: 'resolved', resolved_at: new Date().toISOString() })
  const answer = 'Hi Kim,\nPlease press Renew certificate in the client; it takes a minute.\nCall me on +44 20 7946 0000 or write to sam@example.test.\n'
  await database.owner('insert into comments (organization_id, ticket_id, author_id, content) values ($1, $2, $3, $4)', [
    tenant.id,
    solved,
    tenant.agent,
    answer,
  ])
  const ticket = await newTicket(database, tenant, QUESTION)
  const draft = String(resultOf(await runJob(database, smartReply, tenant.id, { ticket_id: ticket }))['draft'])
  assert.match(draft, /press Renew certificate in the client/)
  assert.doesNotMatch(draft, /Kim|7946|sam@/)
})
