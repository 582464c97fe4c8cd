import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const agent = await clientOf(app, database, 'agent', await createOrganization(database))
const stranger = await clientOf(app, database, 'agent', await createOrganization(database))

test('the board tells what is due within the hour, what breached, and how late that was noticed', async () => {
  const made = []
  for (const subject of ['soon', 'later', 'over']) {
    const ticket = (await agent.post('/tickets', { subject, description: 'd' })).body
    await agent.post(`/tickets/${ticket.id}/accept`)
    made.push(ticket)
  }
  const [soon, later, over] = made
  await database.owner(`update tickets set sla_due_at = now() + interval '50 minutes', sla_risk_score = 0.7 where id = $1`, [soon.id])
  await database.owner(`update tickets set sla_due_at = now() + interval '70 minutes' where id = $1`, [later.id])
  await database.owner(`update tickets set sla_due_at = now() - interval '5 minutes' where id = $1`, [over.id])
  await database.owner(
    `insert into sla_steps_taken (organization_id, ticket_id, clock, cycle, step, due_at, taken_at)
     select organization_id, id, 'resolution', 1, 'breach', now() - interval '305 seconds', now() - interval '300 seconds' from tickets where id = $1`,
    [over.id],
  )
  const { status, body } = await agent.get('/sla/board')
  assert.equal(status, 200, JSON.stringify(body))
  assert.deepEqual(
    body.due_soon.map(({ ticket_id, sla_risk_score }: { ticket_id: string; sla_risk_score: number }) => [ticket_id, sla_risk_score]),
    [
      [over.id, null],
      [soon.id, 0.699999988079071],
    ],
  )
  assert.deepEqual(
    body.breaches.map(({ ticket_id, clock }: { ticket_id: string; clock: string }) => [ticket_id, clock]),
    [[over.id, 'resolution']],
  )
  assert.deepEqual([body.lateness.steps, body.lateness.p95_seconds], [1, 5])
  assert.equal((await agent.get('/sla/board?window=60')).body.breaches.length, 0)
  assert.deepEqual((await stranger.get('/sla/board')).body.due_soon, [])
})
