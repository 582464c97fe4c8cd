import assert from 'node:assert/strict'
import { test } from 'node:test'
import { metricsSnapshot } from '#jobs/metrics-snapshot.ts'
import { runJob } from '../jobs/run-job.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)

interface Predicted {
  field?: string
  confidence: number | null
  state?: string | null
  is_right?: boolean | null
  seconds?: number
  edit_distance?: number
  days_ago?: number
}

async function newDesk(): Promise<{ id: string; agent: Client; predict(...predicted: Predicted[]): Promise<void> }> {
  const organization = await createOrganization(database)
  const agent = await clientOf(app, database, 'agent', organization)
  const predict = async (...predicted: Predicted[]): Promise<void> => {
    for (const { field = 'category', confidence, state = 'offered', is_right = null, seconds = 60, edit_distance = null, days_ago = 1 } of predicted) {
      const ticket = (await agent.post('/tickets', { subject: 's', description: 'd' })).body.id
      const decided = state !== null && state !== 'offered'
      await database.owner(
        `insert into ai_predictions (organization_id, ticket_id, field, value, confidence, mode, threshold, state, model, version, inputs_hash, is_right, edit_distance, created_at, decided_at)
         values ($1, $2, $3, '"x"', $4, 'suggest', 0.4, $5, 'm', '1', '\\x00', $6, $7, now() - make_interval(days => $8),
                 case when $9 then now() - make_interval(days => $8) + make_interval(secs => $10) end)`,
        [organization.id, ticket, field, confidence, state, is_right, edit_distance, days_ago, decided, seconds],
      )
    }
  }
  return { id: organization.id, agent, predict }
}

test('a desk without predictions has no figures, and none is made up', async () => {
  const { agent } = await newDesk()
  const { status, body } = await agent.get('/ai/quality')
  assert.equal(status, 200)
  assert.deepEqual([body.fields, body.labels, body.weekly, body.kb_suggestions.helpful_rate, body.language_model.calls], [[], {}, [], null, 0])
})

test('coverage, acceptance, overrides, accuracy and calibration are counted from what happened', async () => {
  const { agent, predict } = await newDesk()
  await predict(
    { confidence: 0.95, state: 'accepted', is_right: true, seconds: 10 },
    { confidence: 0.95, state: 'accepted', is_right: true, seconds: 20 },
    { confidence: 0.85, state: 'edited', is_right: false, seconds: 30 },
    { confidence: 0.85, state: 'rejected', is_right: false, seconds: 40 },
    { confidence: 0.15, state: null, is_right: false },
    { confidence: 0.55 },
    { confidence: 0.9, days_ago: 40 },
  )
  const [field] = (await agent.get('/ai/quality?days=30')).body.fields
  assert.deepEqual([field.field, field.predictions, field.offered, field.accepted, field.edited, field.rejected, field.open], ['category', 6, 5, 2, 1, 1, 1])
  assert.deepEqual([field.acceptance_rate, field.override_rate, field.median_seconds_to_decision], [0.5, 0.5, 25])
  assert.ok(Math.abs(field.coverage - 5 / 6) < 1e-9)
  assert.deepEqual([field.scored, field.accuracy, field.accuracy_offered], [5, 0.4, 0.5])
  const expected = (2 * 0.05 + 2 * 0.85 + 0.15) / 5
  assert.ok(Math.abs(field.calibration_error - expected) < 1e-9, `${field.calibration_error} is ${expected}`)
  assert.deepEqual(
    field.calibration.map(({ from, count, accuracy }: { from: number; count: number; accuracy: number }) => [from, count, accuracy]),
    [
      [0.1, 1, 0],
      [0.8, 2, 0],
      [0.9, 2, 1],
    ],
  )
  assert.equal((await agent.get('/ai/quality?days=60')).body.fields[0].predictions, 7)
  assert.equal((await agent.get('/ai/quality?days=0')).status, 400)
})

test('drafts have their edit distance, and another organisation sees nothing of it', async () => {
  const { agent, predict } = await newDesk()
  await predict(
    { field: 'smart_reply', confidence: 0.5, state: 'edited', edit_distance: 10 },
    { field: 'smart_reply', confidence: 0.5, state: 'accepted', edit_distance: 0 },
  )
  const [field] = (await agent.get('/ai/quality')).body.fields
  assert.deepEqual([field.field, field.mean_edit_distance, field.scored, field.accuracy], ['smart_reply', 5, 0, null])
  const stranger = await clientOf(app, database, 'agent', await createOrganization(database))
  assert.deepEqual((await stranger.get('/ai/quality')).body.fields, [])
  const customer = await clientOf(app, database, 'customer_user', await createOrganization(database))
  assert.equal((await customer.get('/ai/quality')).status, 403)
})

test('the figures of the week that is over are kept once', async (t) => {
  const { id, agent, predict } = await newDesk()
  // A week that begins in the middle of the test would be another week that is over.
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const sinceMonday = (new Date().getUTCDay() + 6) % 7
  await predict({ confidence: 0.95, state: 'accepted', is_right: true, days_ago: sinceMonday + 3 })
  for (let run = 0; run < 2; run += 1) await runJob(database, metricsSnapshot, id, { figures: 'ai_quality' })
  const { weekly } = (await agent.get('/ai/quality?days=1')).body
  assert.equal(weekly.length, 1)
  assert.deepEqual([weekly[0].fields[0].accepted, weekly[0].fields[0].accuracy], [1, 1])
  assert.equal(new Date(weekly[0].week).getUTCDay(), 1, 'a week begins on Monday')
})
