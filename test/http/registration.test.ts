import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { LIMITS } from '#config.ts'
import { testDatabase } from '../support/database.ts'
import { mailedToken, sendWaitingMail } from '../support/mail.ts'
import { createOrganization, createUser, PASSWORD, signIn } from '../support/people.ts'
import { clientOf, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database, { PUBLIC_URL: 'https://desk.example.org/' })
const organization = await createOrganization(database)
const admin = await clientOf(app, database, 'admin', organization)

const post = async (path: string, payload: object) => {
  const response = await app.inject({ method: 'POST', url: `/api/v1/auth/${path}`, payload })
  return { status: response.statusCode, body: response.body === '' ? null : response.json<Record<string, string>>() }
}
const wish = (more: object = {}) => ({ email: `${randomUUID()}@example.com`, password: PASSWORD, full_name: 'Kim', organization: organization.slug, ...more })
const mailsTo = async (email: string) => {
  await sendWaitingMail(database)
  return (await admin.get(`/mailbox?to=${email}`)).body.items as { subject: string; text: string; status: string }[]
}

test('a customer registers, confirms by the mail, and signs in; before that there is no account', async () => {
  const wanted = wish()
  assert.equal((await post('register', wanted)).status, 202)
  await assert.rejects(signIn(app, wanted.email), /401/)
  const [mail] = await mailsTo(wanted.email)
  assert.equal(mail!.status, 'kept')
  assert.match(mail!.text, /https:\/\/desk\.example\.org\/console\/verify-email\?token=/)
  const token = await mailedToken(database, wanted.email)
  assert.deepEqual(await post('verify-email', { token }), { status: 200, body: { email: wanted.email, organization: organization.slug } })
  assert.equal((await post('verify-email', { token })).status, 400, 'once')
  const me = await app.inject({ url: '/api/v1/auth/me', headers: { authorization: `Bearer ${await signIn(app, wanted.email)}` } })
  assert.equal(me.json<{ role: string }>().role, 'customer_user')
})

test('the token stands in no job, where an agent or manager could read it', async () => {
  const wanted = wish()
  await post('register', wanted)
  const token = await mailedToken(database, wanted.email)
  const jobs =
    JSON.stringify(await database.owner('select payload, result from job_queue')) + JSON.stringify(await database.owner('select details from job_events'))
  assert.ok(!jobs.includes(token))
  assert.ok(!JSON.stringify(await database.owner('select unsent from mail_tokens where unsent is not null')).includes(token))
})

test('whoever asks is told the same, whether there is such an organisation, such an account, or neither', async () => {
  const user = await createUser(database, 'customer_user', organization)
  const answers = [
    await post('register', wish()),
    await post('register', wish({ email: user.email })),
    await post('register', wish({ organization: 'no-such-organisation' })),
    await post('forgot-password', { email: user.email }),
    await post('forgot-password', { email: 'nobody@example.com' }),
    await post('resend-verification', { email: user.email }),
    await post('resend-verification', { email: 'nobody@example.com' }),
  ]
  for (const answer of answers) assert.deepEqual(answer, answers[0])
  assert.equal(answers[0]!.status, 202)
  const mails = await mailsTo(user.email)
  assert.ok(mails.some(({ subject }) => subject.startsWith('You have an account')))
  assert.equal((await database.owner('select from users where email = $1', [user.email])).length, 1)
})

test('the confirmation is mailed again; any of its mails will do, and one makes the account', async () => {
  const wanted = wish()
  await post('register', wanted)
  const first = await mailedToken(database, wanted.email)
  assert.equal((await post('resend-verification', { email: wanted.email })).status, 202)
  const second = await mailedToken(database, wanted.email)
  assert.notEqual(second, first)
  assert.equal((await post('verify-email', { token: second })).status, 200)
  assert.equal((await post('verify-email', { token: first })).status, 400)
})

test('an organisation closes its registration; nobody is told', async () => {
  const own = await createOrganization(database)
  const keeper = await clientOf(app, database, 'admin', own)
  assert.deepEqual((await keeper.get('/auth/registration')).body, { enabled: true })
  assert.deepEqual((await keeper.patch('/auth/registration', { enabled: false })).body, { enabled: false })
  const wanted = wish({ organization: own.slug })
  assert.equal((await post('register', wanted)).status, 202)
  await sendWaitingMail(database)
  assert.deepEqual((await keeper.get('/mailbox')).body.items, [])
})

test('a forgotten password is set anew by mail, once, and ends every sign-in', async () => {
  const user = await createUser(database, 'agent', organization)
  const old = await signIn(app, user.email)
  assert.equal((await post('forgot-password', { email: user.email.toUpperCase() })).status, 202)
  const token = await mailedToken(database, user.email)
  assert.equal((await post('verify-email', { token })).status, 400, 'a token for a password confirms no address')
  assert.equal((await post('reset-password', { token, password: 'password123' })).status, 400, 'the policy holds here too')
  const fresh = 'seven wooden spoons'
  assert.equal((await post('reset-password', { token, password: fresh })).status, 204)
  assert.equal((await post('reset-password', { token, password: fresh })).status, 400)
  assert.equal((await app.inject({ url: '/api/v1/auth/me', headers: { authorization: `Bearer ${old}` } })).statusCode, 401)
  await assert.rejects(signIn(app, user.email), /401/)
  assert.equal((await post('login', { email: user.email, password: fresh })).status, 200)
  assert.match((await mailsTo(user.email))[0]!.subject, /password was changed/)
})

test('an old token is good for nothing', async () => {
  const user = await createUser(database, 'agent', organization)
  await post('forgot-password', { email: user.email })
  const token = await mailedToken(database, user.email)
  await database.owner("update mail_tokens set expires_at = now() - interval '1 second'")
  assert.equal((await post('reset-password', { token, password: 'seven wooden spoons' })).status, 400)
})

test('one receiver gets a few mails an hour and no more, whoever asks', async () => {
  const user = await createUser(database, 'agent', organization)
  for (let count = 0; count < LIMITS.MAILS_PER_RECEIVER + 3; count += 1) assert.equal((await post('forgot-password', { email: user.email })).status, 202)
  assert.equal((await mailsTo(user.email)).length, LIMITS.MAILS_PER_RECEIVER)
})

test('weak passwords are refused in words wherever one is set: short, common, made of the own name', async () => {
  const weak = ['short', 'password1234', 'qwertyuiop', 'aaaaaaaaaaaa', 'kimberley@example.com']
  for (const password of weak) {
    const person = { email: 'kimberley@example.com', full_name: 'Kimberley', password }
    const agent = await clientOf(app, database, 'agent', organization)
    const answers = [
      await admin.post('/users', { ...person, role: 'agent' }),
      await admin.patch(`/users/${admin.user.id}`, { password: password.startsWith('kimberley') ? admin.user.email : password }),
      await agent.post('/auth/password', { current_password: PASSWORD, password: password.startsWith('kimberley') ? agent.user.email : password }),
    ]
    for (const { status, body } of answers) assert.deepEqual([status, body.errors[0].path], [400, 'password'], password)
    assert.equal((await post('register', { ...wish(), ...person })).status, 400)
  }
})

test('somebody changes the own password with the present one, and signs in anew', async () => {
  const agent = await clientOf(app, database, 'agent', organization)
  const fresh = 'seven wooden spoons'
  assert.equal((await agent.post('/auth/password', { current_password: 'wrong', password: fresh })).status, 403)
  assert.equal((await agent.post('/auth/password', { current_password: PASSWORD, password: fresh })).status, 204)
  assert.equal((await agent.get('/auth/me')).status, 401)
  assert.equal((await post('login', { email: agent.user.email, password: fresh })).status, 200)
})

test('a user made without a password is invited, and chooses it', async () => {
  const email = `${randomUUID()}@example.com`
  assert.equal((await admin.post('/users', { email, full_name: 'Ada', role: 'agent' })).status, 201)
  const password = 'seven wooden spoons'
  assert.equal((await post('reset-password', { token: await mailedToken(database, email), password })).status, 204)
  assert.equal((await post('login', { email, password })).status, 200)
})

test('the mailbox is for admins and operators; an organisation sees its own mails, page by page', async () => {
  const own = await createOrganization(database)
  const keeper = await clientOf(app, database, 'admin', own)
  const operator = await clientOf(app, database, 'operator')
  for (let count = 0; count < 3; count += 1) await post('register', wish({ organization: own.slug }))
  await sendWaitingMail(database)
  const first = (await keeper.get('/mailbox?limit=2')).body
  const rest = (await keeper.get(`/mailbox?limit=2&cursor=${first.next_cursor}`)).body
  assert.deepEqual([first.items.length, rest.items.length, rest.next_cursor], [2, 1, null])
  assert.equal(new Set([...first.items, ...rest.items].map(({ id }) => id)).size, 3)
  assert.ok((await operator.get('/mailbox?limit=200')).body.items.length > 3)
  for (const role of ['manager', 'agent', 'customer_admin'] as const)
    assert.equal((await (await clientOf(app, database, role, own)).get('/mailbox')).status, 403)
})
