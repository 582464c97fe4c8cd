import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slaCheck } from '#jobs/sla-check.ts'
import { slaPredict } from '#jobs/sla-predict.ts'
import { trainModel } from '#jobs/train-model.ts'
import { riskRows } from '#sla/risk-features.ts'
import { inOrganization } from '#db/pool.ts'
import { readSlaTicket } from '#db/sla-tickets.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import { newService, newTicket, resultOf, runJob } from './run-job.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const customer = await clientOf(app, database, 'customer_user', organization)
const agent = await clientOf(app, database, 'agent', organization)
const tenant = { id: organization.id, customer: customer.user.id, agent: agent.user.id }
await database.owner(
  `insert into sla_policies (organization_id, name, is_default, first_response_minutes, resolution_minutes) values ($1, 'Standard', true, '{}', '{"medium":600}')`,
  [tenant.id],
)
const [quick, slow] = [await newService(database, tenant, 'Quick'), await newService(database, tenant, 'Slow')]
const hoursAgo = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString()

/** Solved tickets of two services: nearly all of the one were kept, nearly all of the other missed. */
async function history(count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    // In turn, and each day the other way round: or the hour of the day would tell the services apart as well.
    const isSlow = (index + Math.floor(index / 8)) % 2 === 0
    const exception = index % 13 === 0
    const started = 48 + (count - index) * 3
    const took = isSlow === exception ? 4 + (index % 5) : 11 + (index % 7)
    await newTicket(database, tenant, {
      subject: 'old',
      status: 'closed',
      service_id: isSlow ? slow : quick,
      created_at: hoursAgo(started),
      sla_started_at: hoursAgo(started),
      resolved_at: hoursAgo(started - took),
    })
  }
}
const openTicket = (service_id: string, hours: number): Promise<string> =>
  newTicket(database, tenant, { subject: 'help', status: 'in_progress', service_id, sla_started_at: hoursAgo(hours) })
const predict = async (ticket_id: string) => resultOf(await runJob(database, slaPredict, tenant.id, { ticket_id }))

test('with too little history there is no model, and the share of time elapsed says that it is that', async () => {
  await history(20)
  const trained = resultOf(await runJob(database, trainModel, tenant.id, {}))['sla_risk'] as Record<string, unknown>
  assert.deepEqual([trained['tickets'], trained['measured'], trained['serves']], [20, null, 'too few cases'])
  const ticket = await openTicket(slow, 1)
  assert.equal((await predict(ticket))['basis'], 'elapsed_share')
  const { body } = await agent.get(`/tickets/${ticket}/sla`)
  assert.deepEqual([body.risk_basis, body.risk_model_version, body.solved], ['elapsed_share', null, null])
})

test('a model that was trained off the event loop tells the services apart, with a range for the solution', async () => {
  await history(300)
  let turns = 0
  const ticking = setInterval(() => (turns += 1), 5)
  const trained = resultOf(await runJob(database, trainModel, tenant.id, {}))['sla_risk'] as {
    serves: unknown
    measured: { auc: number; auc_elapsed_share: number }
  }
  clearInterval(ticking)
  assert.equal(trained.serves, true)
  assert.ok(trained.measured.auc > 0.8, `AUC ${trained.measured.auc}`)
  assert.ok(turns > 10, 'others had their turn meanwhile')
  const [bad, good] = [await openTicket(slow, 1), await openTicket(quick, 1)]
  const [ofBad, ofGood] = [await predict(bad), await predict(good)]
  assert.deepEqual([ofBad['basis'], ofBad['model_version']], ['model', 1])
  assert.ok(Number(ofBad['sla_risk_score']) > Number(ofGood['sla_risk_score']) + 0.4, JSON.stringify([ofBad, ofGood]))
  const { solved, risk, risk_model_version } = (await agent.get(`/tickets/${bad}/sla`)).body
  assert.ok(solved.early < solved.likely && solved.likely < solved.late)
  assert.deepEqual([risk_model_version, risk > 0.6], [1, true])
  const listed = (await agent.get('/ai/sla/predictions')).body.items
  assert.equal(listed[0].ticket_id, bad)
  assert.deepEqual([listed[0].basis, listed[0].model, listed[0].version], ['model', 'sla-risk-trees', 1])
})

test('a prediction that says the same is kept once, and what became of it is noted when the clock ends or breaks', async () => {
  const [kept, missed] = [await openTicket(quick, 2), await openTicket(slow, 2)]
  for (const ticket of [kept, kept, missed]) await predict(ticket)
  const rows = (ticket: string) => database.owner<{ breached: boolean | null }>('select breached from sla_predictions where ticket_id = $1', [ticket])
  assert.deepEqual([await rows(kept), await rows(missed)], [[{ breached: null }], [{ breached: null }]])
  await database.owner(`update tickets set status = 'resolved', resolved_at = now() where id = $1`, [kept])
  await database.owner(`update tickets set sla_started_at = now() - interval '11 hours' where id = $1`, [missed])
  for (const ticket_id of [kept, missed]) await runJob(database, slaCheck, tenant.id, { ticket_id })
  assert.deepEqual(await rows(kept), [{ breached: false }])
  assert.ok((await rows(missed)).every(({ breached }) => breached === true))
  const { body } = await agent.get('/ai/sla/quality')
  const ofModel = body.predictions.find(({ basis }: { basis: string }) => basis === 'model')
  assert.deepEqual([ofModel.rows, ofModel.auc, ofModel.brier < ofModel.brier_elapsed_share], [2, 1, true])
  assert.equal(body.trainings[0].version, 1)
  assert.equal((await customer.get('/ai/sla/quality')).status, 403)
})

test('a row knows nothing that came after its instant', async () => {
  const ticket = await openTicket(quick, 9)
  const say = (author: string, hours: number) =>
    database.owner('insert into comments (organization_id, ticket_id, author_id, content, created_at) values ($1, $2, $3, $4, $5)', [
      tenant.id,
      ticket,
      author,
      'x',
      hoursAgo(hours),
    ])
  await say(tenant.customer, 8)
  await say(tenant.agent, 3)
  await database.owner(`update tickets set status = 'resolved', resolved_at = now() where id = $1`, [ticket])
  const rows = await inOrganization(database.system, tenant.id, async (db) => riskRows((await readSlaTicket(db, ticket))!, () => 0))
  assert.deepEqual(
    rows.map(({ elapsed_seconds, features }) => [
      Math.round(elapsed_seconds / 3_600),
      features['customer_messages'],
      features['staff_replies'],
      features['status'],
    ]),
    [
      [0, '0', '0', 'in_progress'],
      [2, '1', '0', 'in_progress'],
      [4, '1', '0', 'in_progress'],
      [6, '1', '0', 'in_progress'],
      [8, '1', '1', 'in_progress'],
    ],
  )
  assert.ok(rows.every(({ breached, case_id }) => !breached && case_id === `${ticket} 1`))
})
