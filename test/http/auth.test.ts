import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
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
    new SignJWT({ org: organization.id, role: 'agent', use: 'access', sid: randomUUID(), ...claims })
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

test('after too many wrong passwords even the right one waits, for the rest of the window; another account does not', async () => {
  const user = await createUser(database, 'agent', organization)
  const other = await createUser(database, 'agent', organization)
  const wrong = await Promise.all(Array.from({ length: LIMITS.SIGN_IN_FAILURES_PER_PAIR + 5 }, () => post('login', { email: user.email, password: 'wrong' })))
  assert.equal(wrong.filter(({ status }) => status === 401).length, LIMITS.SIGN_IN_FAILURES_PER_PAIR)
  const refused = await post('login', { email: user.email.toUpperCase(), password: PASSWORD })
  assert.equal(refused.status, 429)
  const seconds = Number(refused.headers['retry-after'])
  assert.ok(seconds > LIMITS.SIGN_IN_WINDOW_SECONDS - 60 && seconds <= LIMITS.SIGN_IN_WINDOW_SECONDS)
  assert.equal((await post('login', { email: other.email, password: PASSWORD })).status, 200)
  await database.owner("update attempt_counts set window_ends = now() where subject like 'pair:%'")
  assert.equal((await post('login', { email: user.email, password: PASSWORD })).status, 200)
})

test('a right password clears the count, so that mistakes of days do not add up', async () => {
  const user = await createUser(database, 'agent', organization)
  for (let round = 0; round < 2; round += 1) {
    for (let count = 0; count < LIMITS.SIGN_IN_FAILURES_PER_PAIR - 1; count += 1) await post('login', { email: user.email, password: 'wrong' })
    assert.equal((await post('login', { email: user.email, password: PASSWORD })).status, 200)
  }
})

test('an account is bounded from all addresses together, an address for all accounts', async () => {
  const proxied = await testServer(database, { TRUSTED_PROXIES: '127.0.0.1' })
  const login = async (ip: string, email: string) =>
    (await proxied.inject({ method: 'POST', url: '/api/v1/auth/login', headers: { 'x-forwarded-for': ip }, payload: { email, password: 'wrong' } })).statusCode
  const user = await createUser(database, 'agent', organization)
  for (let count = 0; count < LIMITS.SIGN_IN_FAILURES_PER_ACCOUNT; count += 1) assert.equal(await login(`10.0.0.${count}`, user.email), 401)
  assert.equal(await login('10.0.1.1', user.email), 429)
  assert.equal(await login('10.0.1.1', 'another@example.com'), 401)
  // What one address may fail is much: it stands at the limit without so many attempts.
  await database.owner(`update attempt_counts set attempts = ${LIMITS.SIGN_IN_FAILURES_PER_ADDRESS} where subject like 'address:%'`)
  assert.equal(await login('10.0.1.1', 'somebody@example.com'), 429)
  assert.equal(await login('10.0.2.2', 'somebody@example.com'), 401)
  await database.owner('delete from attempt_counts')
})

test('an address that no trusted proxy forwarded counts for nothing', async () => {
  const user = await createUser(database, 'agent', organization)
  const statuses: number[] = []
  for (let count = 0; count <= LIMITS.SIGN_IN_FAILURES_PER_PAIR; count += 1) {
    statuses.push((await post('login', { email: user.email, password: 'wrong' }, { 'x-forwarded-for': `10.1.0.${count}` })).status)
  }
  assert.equal(statuses.at(-1), 429)
})

test('an access token ends with its sign-in: by signing out, by a reused refresh token, by another role, by deactivation', async () => {
  const admin = await clientOf(app, database, 'admin', organization)
  const endings: Record<string, (user: { id: string }, tokens: Record<string, string>) => Promise<unknown>> = {
    logout: (_user, tokens) => post('logout', { refresh_token: tokens['refresh_token'] }),
    reuse: async (_user, tokens) => {
      await post('refresh', { refresh_token: tokens['refresh_token'] })
      await post('refresh', { refresh_token: tokens['refresh_token'] })
    },
    role: (user) => admin.patch(`/users/${user.id}`, { role: 'manager' }),
    closed: (user) => admin.delete(`/users/${user.id}`),
    password: (user) => admin.patch(`/users/${user.id}`, { password: 'three green bottles' }),
  }
  for (const [name, end] of Object.entries(endings)) {
    const user = await createUser(database, 'agent', organization)
    const tokens = (await post('login', { email: user.email, password: PASSWORD })).body!
    const tickets = () => app.inject({ url: '/api/v1/tickets', headers: { authorization: `Bearer ${tokens['access_token']}` } })
    assert.equal((await tickets()).statusCode, 200, name)
    await end(user, tokens)
    assert.equal((await tickets()).statusCode, 401, name)
  }
})

test('a refresh token opens no door, and an access token is exchanged for nothing', async () => {
  const user = await createUser(database, 'agent', organization)
  const { access_token, refresh_token } = (await post('login', { email: user.email, password: PASSWORD })).body!
  assert.equal((await meAs(`Bearer ${refresh_token}`)).statusCode, 401)
  assert.equal((await post('refresh', { refresh_token: access_token!.slice(0, 200) })).status, 401)
})

test('a sign-in costs as much for an unknown account as for a known one', async () => {
  const user = await createUser(database, 'agent', organization)
  // The processor's time, which others on the machine do not add to.
  const cost = async (email: string): Promise<number> => {
    const before = process.cpuUsage()
    await post('login', { email, password: 'wrong' })
    const { user: spent, system } = process.cpuUsage(before)
    return spent + system
  }
  await cost('nobody@example.com')
  const median = (costs: number[]): number => costs.toSorted((a, b) => a - b)[Math.floor(costs.length / 2)]!
  const [known, unknown]: number[][] = [[], []]
  for (let count = 0; count < LIMITS.SIGN_IN_FAILURES_PER_PAIR; count += 1) {
    known!.push(await cost(user.email))
    unknown!.push(await cost(`nobody-${count}@example.com`))
  }
  // A look-up without a hash would cost a fifth.
  const ratio = median(unknown!) / median(known!)
  assert.ok(ratio > 0.25 && ratio < 4, `unknown accounts cost ${ratio.toFixed(2)} times what known ones do`)
})

test('sign-ins stand in the audit of their organisation with the address they came from: right, wrong, closed, and a token used twice', async () => {
  const own = await createOrganization(database)
  const admin = await clientOf(app, database, 'admin', own)
  const user = await createUser(database, 'agent', own)
  const remoteAddress = '203.0.113.77'
  const login = (email: string, password: string) => app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password }, remoteAddress })
  const stolen = (await login(user.email, PASSWORD)).json<{ refresh_token: string }>().refresh_token
  for (let count = 0; count < 3; count += 1) await post('refresh', { refresh_token: stolen })
  for (let count = 0; count < LIMITS.SIGN_IN_FAILURES_PER_PAIR + 2; count += 1) await login(user.email, 'a wrong password')
  const items = (await admin.get(`/audit?entity_id=${user.id}&limit=200`)).body.items as {
    action: string
    actor_id: string | null
    details: Record<string, unknown>
  }[]
  const of = (action: string) => items.filter((each) => each.action === action)
  assert.deepEqual([of('account.sign_in')[0]!.actor_id, of('account.sign_in')[0]!.details], [user.id, { address: remoteAddress, second_factor: false }])
  assert.equal(of('account.sign_in').length, 1)
  assert.equal(of('account.refresh_reuse').length, 1)
  assert.equal(of('account.sign_in_fail').length, LIMITS.SIGN_IN_FAILURES_PER_PAIR)
  assert.deepEqual(of('account.sign_in_fail')[0]!.details, { address: remoteAddress, reason: 'password' })
  assert.deepEqual(
    of('account.lock_out').map(({ actor_id, details }) => [actor_id, details]),
    [[null, { address: remoteAddress, closed: ['account from address'] }]],
  )

  // Of an account that there is not, the installation hears, and of what was typed nobody.
  const nobody = 'my own password@example.com'
  await login(nobody, 'also a secret')
  const [row] = await database.owner(`select * from audit_log where organization_id is null and action = 'account.sign_in_fail' order by id desc limit 1`)
  assert.deepEqual([row!['entity_id'], row!['details']], ['unknown', { address: remoteAddress, reason: 'password' }])
  const all = JSON.stringify(await database.owner(`select details, entity_id from audit_log where action like 'account.%'`))
  for (const secret of [stolen, PASSWORD, 'a wrong password', 'also a secret', nobody]) assert.ok(!all.includes(secret), secret)
})
