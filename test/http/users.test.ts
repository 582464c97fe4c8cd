import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { testDatabase } from '../support/database.ts'
import { createOrganization, PASSWORD, signIn } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const admin = await clientOf(app, database, 'admin', organization)
const agent = await clientOf(app, database, 'agent', organization)
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
const operator = await clientOf(app, database, 'operator')

const person = (more: object = {}) => ({ email: `${randomUUID()}@example.com`, full_name: 'Ada', role: 'agent', password: PASSWORD, ...more })

test('an admin makes a user who can sign in; addresses are unique within the organisation, whatever their case', async () => {
  const wanted = person({ email: `Ada.${randomUUID()}@Example.com` })
  const { status, body, headers } = await admin.post('/users', wanted)
  assert.deepEqual([status, body.email, body.role, body.is_active], [201, wanted.email.toLowerCase(), 'agent', true])
  assert.equal('password_hash' in body, false)
  assert.equal(headers['location'], `/api/v1/users/${body.id}`)
  assert.ok(await signIn(app, wanted.email))
  assert.equal((await admin.post('/users', wanted)).status, 409)
  assert.equal((await stranger.post('/users', wanted)).status, 201)
  assert.equal((await admin.post('/users', person({ role: 'operator' }))).body.errors[0].path, 'role')
  assert.equal((await admin.post('/users', person({ password: 'short' }))).body.errors[0].path, 'password')
  assert.equal((await agent.post('/users', person())).status, 403)
})

test('a closed account signs in no more, also not with its refresh token, and is still listed', async () => {
  const wanted = person()
  const { id } = (await admin.post('/users', wanted)).body
  const login = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email: wanted.email, password: PASSWORD } })
  const { refresh_token } = login.json<{ refresh_token: string }>()
  assert.equal((await admin.delete(`/users/${id}`)).status, 204)
  assert.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refresh_token } })).statusCode, 401)
  await assert.rejects(signIn(app, wanted.email), /401/)
  assert.equal((await agent.get(`/users/${id}`)).body.is_active, false)
  const listed = async (query: string): Promise<boolean> => (await agent.get(`/users?${query}`)).body.items.some((each: { id: string }) => each.id === id)
  assert.deepEqual([await listed('is_active=false&role=agent'), await listed('is_active=true')], [true, false])
  assert.equal((await admin.patch(`/users/${id}`, { is_active: true, password: 'another long one' })).body.is_active, true)
  await assert.rejects(signIn(app, wanted.email), /401/)
})

test('the last admin stays, however one tries; of two who remove each other at once, one stays', async () => {
  const own = await createOrganization(database)
  const first = await clientOf(app, database, 'admin', own)
  const path = `/users/${first.user.id}`
  for (const answer of [await first.delete(path), await first.patch(path, { role: 'agent' }), await first.patch(path, { is_active: false })]) {
    assert.equal(answer.status, 409)
  }
  assert.equal((await first.get(path)).body.role, 'admin')
  const second = await clientOf(app, database, 'admin', own)
  const answers = await Promise.all([first.delete(`/users/${second.user.id}`), second.delete(path)])
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [204, 409],
  )
})

test('users of another organisation do not exist', async () => {
  const path = `/users/${agent.user.id}`
  for (const answer of [await stranger.get(path), await stranger.patch(path, { full_name: 'x' }), await stranger.delete(path)]) assert.equal(answer.status, 404)
  assert.equal((await agent.get(path)).body.full_name, agent.user.full_name)
})

test('an operator makes an organisation with its first admin, once for a key; nobody else does', async () => {
  const slug = `new-${randomUUID().slice(0, 8)}`
  const wanted = { slug, name: 'New', admin: { email: `${slug}@example.com`, full_name: 'First', password: PASSWORD } }
  const key = { 'idempotency-key': randomUUID() }
  const [made, again] = [await operator.post('/organizations', wanted, key), await operator.post('/organizations', wanted, key)]
  assert.deepEqual([made.status, again.status, again.body], [201, 201, made.body])
  assert.equal((await operator.post('/organizations', wanted)).status, 409)
  assert.ok(await signIn(app, wanted.admin.email, slug))
  assert.equal((await admin.post('/organizations', wanted)).status, 403)
  const slugs = (await operator.get('/organizations?limit=200')).body.items.map((each: { slug: string }) => each.slug)
  assert.ok(slugs.includes(slug) && slugs.includes(organization.slug))
  assert.deepEqual(slugs, slugs.toSorted())
})

test('the audit is read by admins for their organisation and by operators for all, page by page', async () => {
  const own = await createOrganization(database)
  const keeper = await clientOf(app, database, 'admin', own)
  for (let count = 0; count < 3; count += 1) await keeper.post('/users', person())
  await keeper.patch('/organization', { name: 'Renamed' })
  const first = (await keeper.get('/audit?limit=3')).body
  const rest = (await keeper.get(`/audit?cursor=${first.next_cursor}`)).body
  const all = [...first.items, ...rest.items]
  assert.deepEqual(
    all.map(({ action }) => action),
    ['organization.update', 'user.create', 'user.create', 'user.create', 'account.sign_in'],
  )
  assert.ok(all.every(({ organization_id, actor_id }) => organization_id === own.id && actor_id === keeper.user.id))
  assert.equal((await keeper.get('/audit?action=organization.update')).body.items.length, 1)
  assert.deepEqual((await stranger.get(`/audit?organization_id=${own.id}`)).body.items, [])
  assert.equal((await operator.get(`/audit?organization_id=${own.id}`)).body.items.length, 5)
  assert.equal((await agent.get('/audit')).status, 403)
})
