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

const DEFAULTS = {
  auto_escalate_negative_sentiment: false,
  auto_escalate_threshold: 0.7,
  kb_suggestion_enabled: true,
  ai_triage_enabled: true,
  ai_category_mode: 'suggest',
  ai_priority_mode: 'suggest',
  ai_tags_mode: 'suggest',
  ai_assignee_mode: 'suggest',
  ai_group_mode: 'suggest',
  ai_category_threshold: 0.4,
  ai_priority_threshold: 0.4,
  ai_tags_threshold: 0.4,
  ai_assignee_threshold: 0.5,
  ai_group_threshold: 0.5,
  ai_llm_enabled: false,
  ai_embeddings_enabled: false,
  notify_requester_on_reply: false,
  notify_requester_on_status: false,
}

test('settings have defaults, change one by one, and are those of the own organisation', async () => {
  assert.deepEqual((await agent.get('/settings')).body, DEFAULTS)
  const { status, body } = await admin.patch('/settings', { ai_priority_mode: 'apply', auto_escalate_threshold: 0.9 })
  assert.deepEqual([status, body], [200, { ...DEFAULTS, ai_priority_mode: 'apply', auto_escalate_threshold: 0.9 }])
  assert.deepEqual((await stranger.get('/settings')).body, DEFAULTS)
  const [audit] = (await admin.get('/audit?action=settings.update')).body.items
  assert.deepEqual(audit.details, { ai_priority_mode: { from: 'suggest', to: 'apply' }, auto_escalate_threshold: { from: 0.7, to: 0.9 } })
})

test('two who change different settings at once do not undo each other', async () => {
  await Promise.all([admin.patch('/settings', { ai_tags_mode: 'silent' }), admin.patch('/settings', { ai_triage_enabled: false })])
  const { ai_tags_mode, ai_triage_enabled } = (await agent.get('/settings')).body
  assert.deepEqual([ai_tags_mode, ai_triage_enabled], ['silent', false])
})

test('a setting that is none is named, and only admins change one', async () => {
  const path = async (body: object) => (await admin.patch('/settings', body)).body.errors[0].path
  assert.equal(await path({ auto_escalate_threshold: 1.5 }), 'auto_escalate_threshold')
  assert.equal(await path({ ai_tags_mode: 'loud' }), 'ai_tags_mode')
  assert.equal(await path({ colour: 'red' }), 'colour')
  assert.equal((await agent.patch('/settings', { ai_triage_enabled: true })).status, 403)
})

test('an admin renames the own organisation', async () => {
  assert.deepEqual((await agent.get('/organization')).body, organization)
  assert.equal((await admin.patch('/organization', { name: 'Another name' })).body.name, 'Another name')
  assert.equal((await agent.patch('/organization', { name: 'Mine' })).status, 403)
  assert.notEqual((await stranger.get('/organization')).body.name, 'Another name')
})
