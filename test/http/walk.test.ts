import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { SignJWT } from 'jose'
import { AUTHORITY } from '#http/authority.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, SECRET, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database)
const organization = await createOrganization(database)
const admin = await clientOf(app, database, 'admin', organization)
const operator = await clientOf(app, database, 'operator')
const stranger = await clientOf(app, database, 'admin', await createOrganization(database))
const ticket = (await admin.post('/tickets', { subject: 's', description: 'd' })).body.id as string
const job = (await admin.post('/jobs', { job_type: 'PROBE' })).body.id as number

interface Operation {
  security?: unknown[]
  requestBody?: unknown
  parameters?: { name: string; in: string }[]
  responses: Record<string, unknown>
}
interface OpenApi {
  openapi: string
  paths: Record<string, Record<string, Operation>>
}
const openapi = (await app.inject('/api/v1/openapi.json')).json<OpenApi>()
const operations = Object.entries(openapi.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation, name: `${method.toUpperCase()} ${path}` })),
)
const pathTo = (path: string, id: string | number) => path.replace('{version}', '1').replaceAll(/\{\w+\}/g, encodeURIComponent(id))
const knownId = (path: string) => (path.includes('/queues/') ? 'default' : path.includes('/jobs/') ? job : ticket)

async function refuses(
  what: string,
  request: { method: string; url: string; token?: string; body?: string | Buffer; type?: string; headers?: Record<string, string> },
) {
  const response = await app.inject({
    method: request.method as 'GET',
    url: request.url,
    headers: {
      ...(request.token === undefined ? {} : { authorization: `Bearer ${request.token}` }),
      ...(request.body === undefined ? {} : { 'content-type': request.type ?? 'application/json' }),
      ...request.headers,
    },
    ...(request.body === undefined ? {} : { payload: request.body }),
  })
  const said = `${what}: ${request.method} ${request.url} answered ${response.statusCode} ${response.body.slice(0, 300)}`
  assert.ok(response.statusCode >= 400 && response.statusCode < 500, said)
  assert.match(String(response.headers['content-type']), /^application\/problem\+json/, said)
  const problem = response.json<Record<string, unknown>>()
  for (const member of ['type', 'title', 'status', 'detail', 'instance', 'errors', 'request_id']) assert.ok(member in problem, `${said} (no ${member})`)
  assert.equal(problem['status'], response.statusCode, said)
  assert.equal(problem['request_id'], response.headers['x-request-id'], said)
  assert.doesNotMatch(response.body, /select |insert |node_modules|\.ts:\d/, said)
  return { status: response.statusCode, problem }
}

test('the OpenAPI document is 3.1, holds every route of the table of authority, and every problem', () => {
  assert.equal(openapi.openapi, '3.1.0')
  assert.deepEqual(operations.map(({ method, path }) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`).toSorted(), Object.keys(AUTHORITY).toSorted())
  for (const { operation, name } of operations) assert.ok('default' in operation.responses, name)
})

for (const { path, method, operation, name } of operations) {
  const url = pathTo(path, knownId(path))
  const token = /queues|schedules|database|workers\/|\/organizations$/.test(path) ? operator.token : admin.token
  const send = (what: string, rest: Partial<Parameters<typeof refuses>[1]> = {}) => refuses(what, { method, url, token, ...rest })

  if (operation.security) {
    test(`${name} refuses who does not say who it is`, async () => {
      const expired = await new SignJWT({ org: organization.id, role: 'admin', use: 'access' })
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
        .setSubject(admin.user.id)
        .setIssuer('atum-desk')
        .setExpirationTime('-1s')
        .sign(new TextEncoder().encode(SECRET))
      for (const bearer of [undefined, 'garbage', expired]) {
        const { status } = await refuses(`token ${bearer}`, { method, url, ...(bearer === undefined ? {} : { token: bearer }) })
        assert.equal(status, 401)
      }
    })
  }

  if (!/(health|livez|readyz|metrics)$/.test(path) || operation.parameters?.some((parameter) => parameter.in === 'query')) {
    test(`${name} names an unknown query parameter`, async () => {
      const { status, problem } = await send('query', { url: `${url}?surprise=1`, ...(operation.requestBody ? { body: '{}' } : {}) })
      assert.equal(status, 400)
      if (!operation.requestBody) assert.match(JSON.stringify(problem['errors']), /surprise/)
    })
  }

  for (const { name: parameter } of (operation.parameters ?? []).filter((each) => each.in === 'query')) {
    test(`${name} refuses a ${parameter} that is none`, async () => {
      const free = ['q', 'job_type', 'queue', 'tag', 'entity_type'].includes(parameter)
      for (const value of free ? ['', '%00', 'x'.repeat(300)] : ['', '%00', 'garbage', '-1', '1e99', '[]', '9'.repeat(40)]) {
        await send(`${parameter}=${value}`, { url: `${url}?${parameter}=${value}` })
      }
      if (parameter !== 'tag') await send(`${parameter} twice`, { url: `${url}?${parameter}=a&${parameter}=b` })
    })
  }

  if (/\{/.test(path)) {
    test(`${name} finds nothing under ids that are unknown, garbage or somebody else's`, async () => {
      const body = operation.requestBody && path.endsWith('/comments') ? JSON.stringify({ content: 'x' }) : undefined
      for (const id of [
        randomUUID(),
        'garbage',
        '999999999',
        '99999999999999999999999',
        "' or 1=1 --",
        '../../etc/passwd',
        '%00',
        '\u{1f600}',
        'x'.repeat(200),
      ]) {
        await send(`id ${id}`, { url: pathTo(path, id), ...(body ? { body } : {}) })
      }
      await send('bad escape', { url: path.replace(/\{\w+\}/, '%zz'), ...(body ? { body } : {}) })
      if (!/queues/.test(path)) await send('foreign', { token: stranger.token, ...(body ? { body } : {}) })
    })
  }

  if (method === 'POST') {
    test(`${name} refuses bodies that are none of its own`, async () => {
      const bodies: Record<string, string | Buffer> = {
        'not JSON': '{"a":',
        array: '[1,2]',
        number: '1',
        string: '"x"',
        'unknown field': '{"surprise":1}',
        NUL: String.raw`{"email":"a\u0000b","subject":"\u0000","content":"\u0000","marker":"\u0000"}`,
        'half a pair': String.raw`{"subject":"\ud800"}`,
        'no UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
        prototype: '{"__proto__":{"x":1}}',
        'very deep': `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
        'wrong types': '{"email":1,"password":[],"refresh_token":{},"subject":1,"description":[],"content":false,"job_type":7,"count":"many"}',
      }
      for (const [what, body] of Object.entries(bodies)) await send(what, { body })
      if (!/\{id\}\/(retry|cancel|accept|publish|unpublish|triage\/run)|queues|logout/.test(path)) {
        await send('null', { body: 'null' })
        await send('no body')
      }
      assert.equal((await send('media type', { body: 'a=b', type: 'application/x-www-form-urlencoded' })).status, 415)
      assert.equal((await send('text', { body: 'x', type: 'text/plain' })).status, 415)
      assert.equal((await send('10 MB', { body: `{"subject":"${'x'.repeat(10_000_000)}"}` })).status, 413)
    })
  }
}

test('values that break out of their fields are refused where they stand', async () => {
  const token = admin.token
  const post = async (url: string, body: unknown, field: RegExp) => {
    const { problem } = await refuses(JSON.stringify(body).slice(0, 80), { method: 'POST', url: `/api/v1${url}`, token, body: JSON.stringify(body) })
    assert.match(JSON.stringify(problem['errors']), field)
  }
  const wish = { subject: 's', description: 'd' }
  await post('/tickets', { ...wish, subject: '' }, /subject/)
  await post('/tickets', { ...wish, subject: ' \n ' }, /subject/)
  await post('/tickets', { ...wish, subject: 'x'.repeat(501) }, /subject/)
  await post('/tickets', { ...wish, description: 'x'.repeat(100_001) }, /description/)
  await post('/tickets', { ...wish, priority: 'extreme' }, /priority/)
  await post('/tickets', { ...wish, tags: ['ok', ''] }, /tags\.1/)
  await post('/tickets', { ...wish, tags: Array.from({ length: 21 }, String) }, /tags/)
  await post('/tickets', { ...wish, service_id: randomUUID() }, /service_id/)
  await post('/tickets', { ...wish, service_id: 'garbage' }, /service_id/)
  await post('/jobs', { job_type: 'PROBE', payload: { marker: 'a\0b' } }, /payload\.marker/)
  await post('/jobs', { job_type: 'PROBE', payload: 'text' }, /payload/)
  await post('/jobs', { job_type: 'PROBE', count: 0 }, /count/)
  await post('/jobs', { job_type: 'PROBE', priority: 101 }, /priority/)
  await post('/jobs', { job_type: 'PROBE', run_after: 'tomorrow' }, /run_after/)
  await post('/jobs', { job_type: 'PROBE', delay_ms: 1e15 }, /delay_ms/)
  await post('/jobs', { job_type: 'PROBE', max_attempts: 1_000 }, /max_attempts/)
})

test('instants that no calendar holds are refused', async () => {
  for (const at of ['0000-01-01T00:00:00Z', '2026-02-30T00:00:00Z', '2026-01-01T25:00:00Z', '2026-01-01']) {
    await refuses(at, { method: 'GET', url: `/api/v1/jobs?created_after=${at}`, token: admin.token })
  }
})

test('an Idempotency-Key that is too long is refused', async () => {
  const headers = { 'idempotency-key': 'x'.repeat(256) }
  await refuses('key', { method: 'POST', url: '/api/v1/tickets', token: admin.token, headers, body: '{"subject":"s","description":"d"}' })
})

test('an unknown path is 404, a wrong method 405 with the ones that are right', async () => {
  assert.equal((await refuses('unknown', { method: 'GET', url: '/api/v1/nothing' })).status, 404)
  assert.equal((await refuses('unknown', { method: 'POST', url: '/', body: '{}' })).status, 404)
  const response = await app.inject({ method: 'DELETE', url: '/api/v1/tickets' })
  assert.equal(response.statusCode, 405)
  assert.deepEqual(String(response.headers['allow']).split(', ').toSorted(), ['GET', 'HEAD', 'POST'])
  assert.match(String(response.headers['content-type']), /problem\+json/)
  assert.equal((await refuses('method', { method: 'PUT', url: `/api/v1/tickets/${ticket}`, body: '{}' })).status, 405)
})
