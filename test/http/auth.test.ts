import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SignJWT } from 'jose'
import { LIMITS } from '#config.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization, createUser, PASSWORD, signIn } from '../support/people.ts'
import { clientOf, SECRET, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)

const post = async (path: string, payload: object, headers: Record<string, string> = {}) => {
  const response = await app.inject({ method: 'POST', url: `/api/v1/auth/${path}`, payload, headers })
  return { status: response.statusCode, headers: response.headers, body: response.body === '' ? null : response.json<Record<string, string>>() }
}
const meAs = (authorization: string) => app.inject({ url: '/api/v1/auth/me', headers: { authorization } })

test('somebody signs in, whatever the case of the address, and is told who that is', async () => {
  const user = await createUser(database, 'agent', organization)
  const { status, body } = await post('login', { email: user.email.toUpperCase(), password: PASSWORD })
  assert.equal(status, 200)
  assert.equal(body!['token_type'], 'Bearer')
  assert.equal(body!['expires_in'], 900)
  const me = await meAs(`Bearer ${body!['access_token']}`)
  assert.deepEqual(me.json(), { id: user.id, email: user.email, full_name: user.full_name, role: 'agent', organization })
})

test('an operator signs in and has no organisation', async () => {
  const operator = await clientOf(app, database, 'operator')
  assert.equal((await operator.get('/auth/me')).body.organization, null)
})

test('a wrong password, an unknown address, an inactive account and a foreign organisation are answered alike', async () => {
  const user = await createUser(database, 'agent', organization)
  const gone = await createUser(database, 'agent', organization)
  await database.owner('update users set is_active = false where id = $1', [gone.id])
  const other = await createOrganization(database)
  const answers = await Promise.all([
    post('login', { email: user.email, password: 'wrong' }),
    post('login', { email: 'nobody@example.com', password: PASSWORD }),
    post('login', { email: gone.email, password: PASSWORD }),
    post('login', { email: user.email, password: PASSWORD, organization: other.slug }),
  ])
  for (const { status, body } of answers) {
    assert.equal(status, 401)
    assert.equal(body!['detail'], answers[0].body!['detail'])
  }
})

test('an address with accounts in two organisations says which one', async () => {
  const other = await createOrganization(database)
  await createUser(database, 'agent', organization, 'twice@example.com')
  const second = await createUser(database, 'admin', other, 'twice@example.com')
  const { status, body } = await post('login', { email: 'twice@example.com', password: PASSWORD })
  assert.equal(status, 422)
  assert.match(JSON.stringify(body), /"path":"organization"/)
  const me = await meAs(`Bearer ${await signIn(app, 'twice@example.com', other.slug)}`)
  assert.equal(me.json<{ id: string }>().id, second.id)
})

test('a refresh token is good for one exchange; a second use ends the whole sign-in', async () => {
  const user = await createUser(database, 'agent', organization)
  const first = (await post('login', { email: user.email, password: PASSWORD })).body!
  const second = await post('refresh', { refresh_token: first['refresh_token'] })
  assert.equal(second.status, 200)
  assert.equal((await meAs(`Bearer ${second.body!['access_token']}`)).statusCode, 200)
  assert.equal((await post('refresh', { refresh_token: first['refresh_token'] })).status, 401)
  assert.equal((await post('refresh', { refresh_token: second.body!['refresh_token'] })).status, 401)
})

test('of two exchanges at once one wins', async () => {
  const user = await createUser(database, 'agent', organization)
  const { refresh_token } = (await post('login', { email: user.email, password: PASSWORD })).body!
  const statuses = (await Promise.all([post('refresh', { refresh_token }), post('refresh', { refresh_token })])).map(({ status }) => status)
  assert.deepEqual(
    statuses.toSorted((a, b) => a - b),
    [200, 401],
  )
})

test('who signs out, or is no longer active, cannot go on', async () => {
  const user = await createUser(database, 'agent', organization)
  const first = (await post('login', { email: user.email, password: PASSWORD })).body!
  const second = (await post('login', { email: user.email, password: PASSWORD })).body!
  assert.equal((await post('logout', { refresh_token: first['refresh_token'] })).status, 204)
  assert.equal((await post('refresh', { refresh_token: first['refresh_token'] })).status, 401)
  await database.owner('update users set is_active = false where id = $1', [user.id])
  assert.equal((await post('refresh', { refresh_token: second['refresh_token'] })).status, 401)
  assert.equal((await meAs(`Bearer ${second['access_token']}`)).statusCode, 401)
})

test('signing out without a refresh token ends every sign-in of the user', async () => {
  const user = await createUser(database, 'agent', organization)
  const { access_token, refresh_token } = (await post('login', { email: user.email, password: PASSWORD })).body!
  assert.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/logout' })).statusCode, 401)
  assert.equal((await app.inject({ method: 'POST', url: '/api/v1/auth/logout', headers: { authorization: `Bearer ${access_token}` } })).statusCode, 204)
  assert.equal((await post('refresh', { refresh_token })).status, 401)
})

test('no token but our own opens a door', async () => {
  const user = await createUser(database, 'agent', organization)
  const sign = (claims: object, { secret = SECRET, end = '1m', typ = 'at+jwt' } = {}) =>
    new SignJWT({ org: organization.id, role: 'agent', use: 'access', ...claims })
      .setProtectedHeader({ alg: 'HS256', typ })
      .setSubject(user.id)
      .setIssuer('atum-desk')
      .setExpirationTime(end)
      .sign(new TextEncoder().encode(secret))
  assert.equal((await meAs(`Bearer ${await sign({})}`)).statusCode, 200)
  const unsigned = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${(await sign({})).split('.')[1]}.`
  const tokens = [
    await sign({}, { secret: 'somebody else has another secret altogether' }),
    await sign({}, { end: '-1s' }),
    await sign({}, { typ: 'JWT' }),
    await sign({ use: 'refresh' }),
    await sign({ role: 'emperor' }),
    unsigned,
    'garbage',
  ]
  for (const token of tokens) assert.equal((await meAs(`Bearer ${token}`)).statusCode, 401, token)
  for (const header of ['', 'Bearer', 'Basic dXNlcjpwYXNz']) assert.equal((await meAs(header)).statusCode, 401)
})

test('after too many wrong passwords even the right one waits; another account does not', async () => {
  const user = await createUser(database, 'agent', organization)
  const other = await createUser(database, 'agent', organization)
  const wrong = await Promise.all(Array.from({ length: LIMITS.LOGIN_FAILURES_PER_MINUTE + 5 }, () => post('login', { email: user.email, password: 'wrong' })))
  assert.equal(wrong.filter(({ status }) => status === 401).length, LIMITS.LOGIN_FAILURES_PER_MINUTE)
  const refused = await post('login', { email: user.email, password: PASSWORD })
  assert.equal(refused.status, 429)
  assert.ok(Number(refused.headers['retry-after']) > 0)
  assert.equal((await post('login', { email: other.email, password: PASSWORD })).status, 200)
})
