import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateSync } from 'otplib'
import { LIMITS } from '#config.ts'
import { testDatabase } from '../support/database.ts'
import { sendWaitingMail } from '../support/mail.ts'
import { createOrganization, createUser, PASSWORD } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'
import type { Client } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const admin = await clientOf(app, database, 'admin', organization)

const login = async (email: string, otp?: string) => {
  const response = await app.inject({
    method: 'POST',
    url: '/api/v1/auth/login',
    payload: { email, password: PASSWORD, ...(otp === undefined ? {} : { otp }) },
  })
  return { status: response.statusCode, body: response.json<Record<string, string>>() }
}
/** The code of the step before or after the present one: each is good once, and a neighbour is as good. */
const codeOf = (secret: string, steps = 0) => generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + steps * 30 })

async function protect(client: Client): Promise<{ secret: string; codes: string[] }> {
  const { secret } = (await client.post('/auth/2fa/enable', { password: PASSWORD })).body
  const { status, body } = await client.post('/auth/2fa/verify', { otp: codeOf(secret) })
  assert.equal(status, 200)
  return { secret, codes: body.recovery_codes }
}

test('a second factor is demanded at every sign-in once it is confirmed, and not before', async () => {
  const agent = await clientOf(app, database, 'agent', organization)
  assert.deepEqual((await agent.get('/auth/2fa/status')).body, { enabled: false, required: false, recovery_codes_left: 0 })
  assert.equal((await agent.post('/auth/2fa/verify', { otp: '123456' })).status, 409)
  assert.equal((await agent.post('/auth/2fa/enable', { password: 'wrong' })).status, 403)
  const { secret, otpauth_url } = (await agent.post('/auth/2fa/enable', { password: PASSWORD })).body
  assert.match(otpauth_url, new RegExp(`^otpauth://totp/.*secret=${secret}`))
  assert.equal((await login(agent.user.email)).status, 200)
  const wrong = await agent.post('/auth/2fa/verify', { otp: codeOf(secret, 10) })
  assert.deepEqual([wrong.status, wrong.body.type], [400, 'urn:atum-desk:problem:otp-wrong'])
  assert.equal((await login(agent.user.email)).status, 200)
  const first = codeOf(secret)
  const { body } = await agent.post('/auth/2fa/verify', { otp: first })
  assert.equal(body.recovery_codes.length, 10)
  assert.deepEqual((await agent.get('/auth/2fa/status')).body, { enabled: true, required: false, recovery_codes_left: 10 })
  assert.equal((await agent.post('/auth/2fa/enable', { password: PASSWORD })).status, 409)

  const without = await login(agent.user.email)
  assert.deepEqual([without.status, without.body['type'], without.body['access_token']], [401, 'urn:atum-desk:problem:otp-required', undefined])
  const bad = await login(agent.user.email, '000000')
  assert.deepEqual([bad.status, bad.body['type']], [401, 'urn:atum-desk:problem:otp-wrong'])
  assert.equal((await login(agent.user.email, first)).status, 401, 'the code that confirmed it is used up')
  const code = codeOf(secret, 1)
  assert.equal((await login(agent.user.email, code)).status, 200)
  assert.equal((await login(agent.user.email, code)).status, 401, 'a code is good once')
  const kept = await database.owner<{ text: string }>('select row_to_json(two_factors)::text as text from two_factors')
  assert.ok(kept.length > 0 && kept.every(({ text }) => !text.includes(secret)), 'the secret is sealed')
})

test('of many sign-ins at once with one code, one succeeds', async () => {
  const agent = await clientOf(app, database, 'agent', organization)
  const { secret } = await protect(agent)
  const otp = codeOf(secret, 1)
  const statuses = (await Promise.all(Array.from({ length: 5 }, () => login(agent.user.email, otp)))).map(({ status }) => status)
  assert.equal(statuses.filter((status) => status === 200).length, 1)
})

test('a recovery code opens once, in whatever form it is typed, and is kept as a hash', async () => {
  const agent = await clientOf(app, database, 'agent', organization)
  const { codes } = await protect(agent)
  const [first, second] = codes as [string, string]
  assert.equal((await login(agent.user.email, first)).status, 200)
  assert.equal((await login(agent.user.email, first)).status, 401)
  assert.equal((await login(agent.user.email, second.toUpperCase().replaceAll('-', ' '))).status, 200)
  assert.equal((await agent.get('/auth/2fa/status')).body.recovery_codes_left, 8)
  const kept = JSON.stringify(await database.owner("select encode(code_hash, 'escape') as hash from recovery_codes"))
  assert.ok(!kept.includes(first.slice(0, 9)))
})

test('codes are guessed no more often than passwords', async () => {
  const agent = await clientOf(app, database, 'agent', organization)
  const { secret } = await protect(agent)
  for (let count = 0; count < LIMITS.SIGN_IN_FAILURES_PER_PAIR; count += 1) await login(agent.user.email, '000000')
  assert.equal((await login(agent.user.email, codeOf(secret, 1))).status, 429)
})

test('a second factor is removed with the password and a code, not with less; its owner is told by mail', async () => {
  const agent = await clientOf(app, database, 'agent', organization)
  const { secret, codes } = await protect(agent)
  assert.equal((await agent.post('/auth/2fa/disable', { password: 'wrong', otp: codes[0] })).status, 403)
  assert.equal((await agent.post('/auth/2fa/disable', { password: PASSWORD, otp: codeOf(secret, 10) })).status, 400)
  assert.equal((await agent.post('/auth/2fa/disable', { password: PASSWORD, otp: codes[1] })).status, 204)
  assert.equal((await login(agent.user.email)).status, 200)
  await sendWaitingMail(database)
  const subjects = (await admin.get(`/mailbox?to=${agent.user.email}`)).body.items.map(({ subject }: { subject: string }) => subject)
  assert.match(subjects[0], /was removed/)
  assert.match(subjects[1], /was added/)
})

test('where the organisation wants a second factor of a role, nothing is open to who has none but setting one up', async () => {
  const own = await createOrganization(database)
  const keeper = await clientOf(app, database, 'admin', own)
  const agent = await clientOf(app, database, 'agent', own)
  const customer = await clientOf(app, database, 'customer_user', own)
  const token = (await agent.post('/auth/tokens', { name: 'script', scopes: ['read'] })).body.token
  assert.equal((await agent.get('/auth/2fa/org-policy')).body.required_roles.length, 0)
  assert.equal((await agent.request('PUT', '/auth/2fa/org-policy', { required_roles: ['agent'] })).status, 403)
  assert.equal((await keeper.request('PUT', '/auth/2fa/org-policy', { required_roles: ['admin'] })).status, 409, 'nobody locks oneself out')
  assert.equal((await keeper.request('PUT', '/auth/2fa/org-policy', { required_roles: ['agent', 'manager'] })).status, 200)

  assert.equal((await agent.get('/tickets')).status, 401, 'signed out at once')
  const byToken = await app.inject({ url: '/api/v1/tickets', headers: { authorization: `Bearer ${token}` } })
  assert.deepEqual([byToken.statusCode, byToken.json<{ type: string }>().type], [403, 'urn:atum-desk:problem:two-factor-setup-required'])
  assert.equal((await customer.get('/tickets')).status, 200)
  const { status, body } = await login(agent.user.email)
  assert.deepEqual([status, body['two_factor_setup_required']], [200, true])
  agent.token = body['access_token']!
  const refused = await agent.get('/tickets')
  assert.deepEqual([refused.status, refused.body.type], [403, 'urn:atum-desk:problem:two-factor-setup-required'])
  const { secret } = await protect(agent)
  const renewed = await app.inject({ method: 'POST', url: '/api/v1/auth/refresh', payload: { refresh_token: body['refresh_token'] } })
  agent.token = renewed.json<{ access_token: string }>().access_token
  assert.equal((await agent.get('/tickets')).status, 200)
  assert.equal((await agent.post('/auth/2fa/disable', { password: PASSWORD, otp: codeOf(secret, 1) })).status, 409)
  assert.equal((await app.inject({ url: '/api/v1/tickets', headers: { authorization: `Bearer ${token}` } })).statusCode, 200)
})

test('an admin removes a lost second factor of the own organisation only, which signs its owner out', async () => {
  const agent = await clientOf(app, database, 'agent', organization)
  await protect(agent)
  const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
  assert.equal((await stranger.delete(`/users/${agent.user.id}/2fa`)).status, 404)
  assert.equal((await admin.delete(`/users/${agent.user.id}/2fa`)).status, 204)
  assert.equal((await admin.delete(`/users/${agent.user.id}/2fa`)).status, 409)
  assert.equal((await agent.get('/tickets')).status, 401)
  assert.equal((await login(agent.user.email)).status, 200)
})

test('an operator, who has no organisation, has a second factor as well', async () => {
  const operator = await createUser(database, 'operator', null)
  const { body } = await login(operator.email)
  const client = { ...(await clientOf(app, database, 'operator')), user: operator }
  const post = (path: string, payload: object) =>
    app.inject({ method: 'POST', url: `/api/v1${path}`, headers: { authorization: `Bearer ${body['access_token']}` }, payload })
  const { secret } = (await post('/auth/2fa/enable', { password: PASSWORD })).json<{ secret: string }>()
  assert.equal((await post('/auth/2fa/verify', { otp: codeOf(secret) })).statusCode, 200)
  assert.equal((await login(client.user.email)).status, 401)
  assert.equal((await login(client.user.email, codeOf(secret, 1))).status, 200)
})

test('new recovery codes take the place of the old ones, for who shows a code', async () => {
  const agent = await clientOf(app, database, 'agent', organization)
  assert.equal((await agent.post('/auth/2fa/recovery-codes', { otp: '123456' })).status, 409)
  const { secret, codes } = await protect(agent)
  const wrong = await agent.post('/auth/2fa/recovery-codes', { otp: codeOf(secret, 10) })
  assert.deepEqual([wrong.status, wrong.body.type], [400, 'urn:atum-desk:problem:otp-wrong'])
  const { status, body } = await agent.post('/auth/2fa/recovery-codes', { otp: codes[0] })
  assert.deepEqual([status, body.recovery_codes.length], [200, 10])
  assert.equal((await agent.get('/auth/2fa/status')).body.recovery_codes_left, 10)
  assert.equal((await login(agent.user.email, codes[1])).status, 401)
  assert.equal((await login(agent.user.email, body.recovery_codes[0])).status, 200)
})
