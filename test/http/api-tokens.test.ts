import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AUTHORITY } from '#http/authority.ts'
import { missingScope, SCOPES } from '#http/token-scopes.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const agent = await clientOf(app, database, 'agent', organization)
const admin = await clientOf(app, database, 'admin', organization)

const as = async (token: string, method: 'GET' | 'POST', path: string, payload?: object) => {
  const response = await app.inject({ method, url: `/api/v1${path}`, headers: { authorization: `Bearer ${token}` }, ...(payload ? { payload } : {}) })
  return { status: response.statusCode, type: response.statusCode >= 400 ? response.json<{ type: string }>().type : null }
}
const newToken = async (scopes: string[], more: object = {}): Promise<{ id: string; token: string }> =>
  (await agent.post('/auth/tokens', { name: 'script', scopes, ...more })).body

test('a token is shown once, kept as a hash, listed with its last use, and ends when it is revoked', async () => {
  const { status, body } = await agent.post('/auth/tokens', { name: 'importer', scopes: ['tickets:read'] })
  assert.equal(status, 201)
  assert.match(body.token, /^atum_[\w-]{43}$/)
  assert.equal((await as(body.token, 'GET', '/tickets')).status, 200)
  const { items, next_cursor } = (await agent.get('/auth/tokens')).body
  const listed = items.find(({ id }: { id: string }) => id === body.id)
  assert.deepEqual([listed.name, listed.scopes, listed.token, next_cursor], ['importer', ['tickets:read'], undefined, null])
  assert.ok(listed.last_used_at)
  assert.ok(!JSON.stringify(await database.owner('select api_tokens::text from api_tokens')).includes(body.token))
  assert.equal((await admin.delete(`/auth/tokens/${body.id}`)).status, 404, "somebody else's")
  assert.equal((await agent.delete(`/auth/tokens/${body.id}`)).status, 204)
  assert.equal((await as(body.token, 'GET', '/tickets')).status, 401)
  assert.equal((await agent.delete(`/auth/tokens/${body.id}`)).status, 404)
})

test('a token does what its scopes say and its owner may, and never what a sign-in is for', async () => {
  const { token } = await newToken(['tickets:read', 'audit:read'])
  assert.equal((await as(token, 'GET', '/auth/me')).status, 200)
  assert.equal((await as(token, 'GET', '/search?q=x')).status, 200)
  assert.deepEqual(await as(token, 'POST', '/tickets', { subject: 's', description: 'd' }), { status: 403, type: 'urn:atum-desk:problem:insufficient-scope' })
  assert.deepEqual(await as(token, 'GET', '/kb/articles'), { status: 403, type: 'urn:atum-desk:problem:insufficient-scope' })
  assert.deepEqual(await as(token, 'GET', '/audit'), { status: 403, type: 'about:blank' }, 'a scope gives no role')
  const { token: wide } = await newToken(['read', 'write'])
  assert.equal((await as(wide, 'POST', '/tickets', { subject: 's', description: 'd' })).status, 201)
  assert.equal((await as(wide, 'GET', '/kb/articles')).status, 200)
  assert.equal((await as(wide, 'GET', '/auth/tokens')).status, 403)
  assert.equal((await as(wide, 'POST', '/auth/tokens', { name: 'more', scopes: ['read'] })).status, 403)
  assert.equal((await as(wide, 'POST', '/auth/2fa/enable', { password: 'x' })).status, 403)
  assert.equal((await as(wide, 'POST', '/auth/logout')).status, 403)
  assert.equal((await agent.get('/tickets')).status, 200, 'nobody was signed out')
})

test('every route that needs a sign-in has a scope, or is closed to tokens', () => {
  for (const [route, rule] of Object.entries(AUTHORITY)) {
    const [method, pattern] = route.split(' ') as [string, string]
    if (rule === 'anyone' || pattern === '/api/v1/auth/me') continue
    assert.ok(missingScope([], method, pattern), `${route} is open to a token without scopes`)
    assert.equal(missingScope(SCOPES, method, pattern) === null, !pattern.startsWith('/api/v1/auth/'), route)
  }
  assert.ok(SCOPES.includes('tickets:read') && SCOPES.includes('jobs:write') && !SCOPES.some((scope) => scope.startsWith('auth')))
})

test('a token ends with its time and with its owner, and follows its owner to another role', async () => {
  const owner = await clientOf(app, database, 'agent', organization)
  const { token, id } = (await owner.post('/auth/tokens', { name: 'n', scopes: ['read', 'write'], expires_at: '2199-01-01T00:00:00Z' })).body
  assert.equal((await as(token, 'GET', '/settings')).status, 200)
  await admin.patch(`/users/${owner.user.id}`, { role: 'customer_user' })
  assert.equal((await as(token, 'GET', '/settings')).status, 403)
  await admin.patch(`/users/${owner.user.id}`, { is_active: false })
  assert.equal((await as(token, 'GET', '/tickets')).status, 401)
  await admin.patch(`/users/${owner.user.id}`, { is_active: true })
  assert.equal((await as(token, 'GET', '/tickets')).status, 200)
  await database.owner("update api_tokens set expires_at = now() - interval '1 second' where id = $1", [id])
  await admin.patch(`/users/${owner.user.id}`, { full_name: 'Another' })
  assert.equal((await as(token, 'GET', '/tickets')).status, 401)
  assert.equal((await agent.post('/auth/tokens', { name: 'n', scopes: ['read'], expires_at: '2001-01-01T00:00:00Z' })).status, 400)
  assert.equal((await agent.post('/auth/tokens', { name: 'n', scopes: ['everything'] })).status, 400)
})

test('the same key makes one token and shows it again, also for an operator', async () => {
  for (const client of [agent, await clientOf(app, database, 'operator')]) {
    const key = { 'idempotency-key': `key-${client.user.id}` }
    const wanted = { name: 'once', scopes: ['read'] }
    const [made, again] = [await client.post('/auth/tokens', wanted, key), await client.post('/auth/tokens', wanted, key)]
    assert.deepEqual([made.status, again.status, again.body.token, again.headers['idempotent-replayed']], [201, 201, made.body.token, 'true'])
    assert.equal((await client.post('/auth/tokens', { ...wanted, name: 'twice' }, key)).status, 422)
    assert.equal((await as(made.body.token, 'GET', '/auth/me')).status, 200)
    const kept =
      JSON.stringify(await database.owner('select response_body from idempotency_keys')) + JSON.stringify(await database.owner('select details from audit_log'))
    assert.ok(!kept.includes(made.body.token))
    assert.equal((await client.delete('/auth/tokens')).status, 204)
    assert.deepEqual((await client.get('/auth/tokens')).body.items, [])
  }
})
