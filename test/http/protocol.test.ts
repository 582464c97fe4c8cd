import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { AUTHORITY } from '#http/authority.ts'
import { LIMITS } from '#config.ts'
import { testDatabase } from '../support/database.ts'
import { readDocument, routesOf } from '../support/openapi.ts'
import { createOrganization } from '../support/people.ts'
import { testServer } from '../support/server.ts'
import { actorOf } from '../support/world.ts'

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

const database = await testDatabase()
const app = await testServer(database)
const routes = routesOf(await readDocument(app))
const admin = await actorOf(database, 'admin', await createOrganization(database))
const operator = await actorOf(database, 'operator', null)
const tokenFor = (rule: string): string => ((AUTHORITY[rule] as readonly string[]).includes('admin') ? admin : operator).token
const urlOf = (path: string): string => path.replaceAll('{id}', path.includes('/jobs/') ? '999999999' : randomUUID()).replaceAll(/\{\w+\}/g, '1')

function isProblem(response: { statusCode: number; headers: Record<string, unknown>; body: string }, status: number, what: string): void {
  const said = `${what}: ${response.statusCode} ${response.body.slice(0, 200)}`
  assert.equal(response.statusCode, status, said)
  assert.match(String(response.headers['content-type']), /^application\/problem\+json/, said)
  assert.equal((JSON.parse(response.body) as { status: number }).status, status, said)
}

test('a path refuses the methods that it does not know, and names those that it does', async () => {
  for (const path of new Set(routes.map((route) => route.path))) {
    const known: string[] = routes.filter((route) => route.path === path).map(({ method }) => method)
    for (const method of METHODS.filter((each) => !known.includes(each))) {
      const response = await app.inject({ method, url: urlOf(path) })
      // Another path with a parameter in this place may know the method: /tickets/bulk is also a ticket's path.
      if (response.statusCode !== 405 && routes.some((route) => route.method === method && fits(route.path, path))) continue
      isProblem(response, 405, `${method} ${path}`)
      for (const each of known)
        assert.ok(String(response.headers['allow']).split(', ').includes(each), `${method} ${path} allows ${String(response.headers['allow'])}`)
    }
  }
})

/** Whether a path with parameters stands for another one. */
function fits(pattern: string, path: string): boolean {
  return pattern !== path && new RegExp(`^${pattern.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path)
}

test('HEAD answers as GET does, without a body', async () => {
  for (const { path, rule, method } of routes.filter(
    (route) => route.method === 'GET' && AUTHORITY[route.rule] !== 'anyone' && !route.path.endsWith('/v1/events'),
  )) {
    const request = { url: urlOf(path), headers: { authorization: `Bearer ${tokenFor(rule)}` } }
    const [get, head] = [await app.inject({ ...request, method }), await app.inject({ ...request, method: 'HEAD' })]
    assert.deepEqual([head.statusCode, head.body], [get.statusCode, ''], path)
  }
})

test('a body of another type is 415, one beyond the limit 413, wherever there is a body', async () => {
  const large = `{"text":"${'x'.repeat(LIMITS.BODY_BYTES)}"}`
  for (const { name, path, method, operation, rule } of routes.filter((route) => route.operation.requestBody)) {
    const headers = { authorization: `Bearer ${AUTHORITY[rule] === 'anyone' ? 'none' : tokenFor(rule)}` }
    const send = (type: string, payload: string) => app.inject({ method, url: urlOf(path), headers: { ...headers, 'content-type': type }, payload })
    isProblem(await send('text/plain', 'x'), 415, name)
    isProblem(await send('application/xml', '<x/>'), 415, name)
    if ('application/json' in operation.requestBody!.content) isProblem(await send('application/json', large), 413, name)
  }
})

test('every answer of the API says what is left of the rate, also to who may not or does not say who it is', async () => {
  for (const { name, path, method, rule } of routes.filter((route) => AUTHORITY[route.rule] !== 'anyone')) {
    for (const headers of [{}, { authorization: 'Bearer garbage' }, { authorization: `Bearer ${tokenFor(rule)}` }]) {
      const url = `${urlOf(path)}?surprise=1`
      const response = await app.inject({ method, url, headers })
      assert.ok(Number(response.headers['ratelimit-limit']) > 0 && Number(response.headers['ratelimit-remaining']) >= 0, `${name}: ${response.statusCode}`)
    }
  }
})

test('a path that is none is 404, and so is one that only looks like a path', async () => {
  for (const url of ['/api/v1', '/api/v1/', '/api/v2/tickets', '/api/v1//tickets', '/api/v1/tickets/x/y/z', '/.env', '/api/v1/constructor']) {
    const response = await app.inject({ url, headers: { authorization: `Bearer ${admin.token}` } })
    isProblem(response, 404, url)
  }
})

test('who asks too much without saying who it is waits, as a user does', async () => {
  const server = await testServer(database)
  const asked = (headers: Record<string, string>) => server.inject({ url: '/api/v1/auth/me', headers })
  const first = await asked({})
  const left = Number(first.headers['ratelimit-remaining'])
  assert.equal(left, LIMITS.RATE_PER_MINUTE - 1)
  assert.equal(Number((await asked({ authorization: 'Bearer garbage' })).headers['ratelimit-remaining']), left - 1)
})

test('what cannot be read as a request gets a problem too: no HTTP, and headers beyond all bounds', async () => {
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const ask = async (bytes: string): Promise<string> => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(bytes)
    return text(socket)
  }
  for (const [bytes, status] of [
    ['GARBAGE\r\n\r\n', 400],
    [`GET /livez?cursor=${'x'.repeat(17_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
  ] as const) {
    const [head, body] = (await ask(bytes)).split('\r\n\r\n')
    const statusCode = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head!)?.[1])
    isProblem({ statusCode, headers: { 'content-type': /content-type: (\S+)/i.exec(head!)?.[1] }, body: body! }, status, bytes.slice(0, 20))
    assert.doesNotMatch(body!, /stack|node:/)
  }
})
