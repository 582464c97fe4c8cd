import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seedDemo } from '#demo/seed.ts'
import { kbSuggest } from '#jobs/kb-suggest.ts'
import { triageTicket } from '#jobs/triage-ticket.ts'
import { slaCheck } from '#jobs/sla-check.ts'
import { resultOf, runJob } from '../jobs/run-job.ts'
import { testDatabase } from '../support/database.ts'

const database = await testDatabase()
const people = { hash: (password: string) => Promise.resolve(`hash of ${password}`) }

test('the demo organisation is made once, with its people, its content and the jobs of its open tickets', async () => {
  const made = await seedDemo(database, people)
  assert.deepEqual(
    made!.users.map(({ role }) => role),
    ['customer_user', 'customer_admin', 'agent', 'manager', 'admin'],
  )
  assert.equal(await seedDemo(database, people), null)
  const [row] = await database.owner(
    `select (select count(*) from tickets where status = 'closed')::int as solved, (select count(*) from tickets where status = 'new')::int as open,
            (select count(*) from comments)::int as answers, (select count(*) from kb_articles)::int as articles,
            (select count(*) from job_queue where job_type in ('TRIAGE_TICKET', 'KB_SUGGEST', 'SENTIMENT_ANALYSIS', 'SMART_REPLY', 'SLA_PREDICT'))::int as jobs,
            (select last_ticket_number from organizations) as numbers`,
  )
  assert.deepEqual(row, { solved: 60, open: 12, answers: 60, articles: 15, jobs: 60, numbers: 72 })
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})

test('the demo teaches: most open tickets find their category, and an article', async () => {
  const [organization] = await database.owner<{ id: string }>('select id from organizations')
  const tickets = await database.owner<{ id: string; subject: string }>(`select id, subject from tickets where status = 'new' order by number`)
  const found = new Map<string, unknown>()
  let suggestions = 0
  for (const { id, subject } of tickets) {
    found.set(subject, resultOf(await runJob(database, triageTicket, organization!.id, { ticket_id: id }))['category'])
    suggestions += Number(resultOf(await runJob(database, kbSuggest, organization!.id, { ticket_id: id }))['suggestions'])
  }
  assert.equal(found.get('Error E12 again'), 'Machine repair')
  assert.equal(found.get('Debited twice'), 'Billing')
  assert.ok([...found.values()].filter(Boolean).length >= 8, JSON.stringify([...found]))
  assert.ok(suggestions >= tickets.length)
  const states = await database.owner(`select state, count(*)::int from sla_cycles where clock = 'resolution' group by state order by state`)
  assert.equal(
    states.reduce((sum, { count }) => sum + Number(count), 0),
    60,
  )
  assert.deepEqual(resultOf(await runJob(database, slaCheck, organization!.id, {})), { checked: 0, breached: 0 })
})
