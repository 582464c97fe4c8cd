import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readConfig } from '#config.ts'
import { serviceUrls } from '#db/logins.ts'
import { openDatabase } from '#db/pool.ts'
import { buildServer } from '#http/server.ts'
import { createLogger } from '#log.ts'
import { registry } from '#metrics.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'
import { clientOf, SECRET, testServer } from '../support/server.ts'

const database = await testDatabase()
const app = await testServer(database, { METRICS_TOKEN: 'a-token-for-metrics' })
const log = createLogger('silent', 'test')

/** A way to the database that can be blocked: connections stay open and nothing comes back, as when a host is gone. */
async function blockablePath(url: string) {
  const { hostname, port } = new URL(url)
  const sockets = new Set<Socket>()
  let blocked = false
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    client.on('data', (data) => void (blocked || upstream.write(data)))
    upstream.on('data', (data) => void (blocked || client.write(data)))
    client.on('close', () => upstream.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: String((server.address() as AddressInfo).port),
    block: () => (blocked = true),
    cut: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

test('health is degraded without a worker, and ok with one', async () => {
  const without = (await app.inject('/health')).json<Record<string, unknown>>()
  assert.equal(without['status'], 'degraded')
  const healthy = await testServer(database)
  await database.owner(`insert into workers (name, host, pid, version, queues) values ('w', 'h', 1, '0', '{default}')`)
  const answer = await healthy.inject('/api/v1/health')
  assert.equal(answer.statusCode, 200)
  const { status, workers_alive, checks } = answer.json<{ status: string; workers_alive: number; checks: Record<string, Record<string, unknown>> }>()
  assert.deepEqual([status, workers_alive, checks['migrations']!['status'], checks['oldest_due_seconds']], ['ok', 1, 'ok', 0])
  assert.ok(Number(checks['database']!['latency_ms']) > 0)
  assert.equal((await app.inject('/livez')).statusCode, 200)
  assert.equal((await app.inject('/readyz')).statusCode, 200)
})

test('health of a database without a schema is 503', async () => {
  const bare = await testServer(await testDatabase({ empty: true }))
  const { statusCode, body } = await bare.inject('/health')
  assert.equal(statusCode, 503)
  assert.match(body, /"unhealthy"/)
})

test('a database that is gone costs 503 with Retry-After, and health still answers', async () => {
  const path = await blockablePath(database.ownerUrl)
  const urls = serviceUrls(database.ownerUrl)
  const through = (url: string) => Object.assign(new URL(url), { hostname: '127.0.0.1', port: path.port }).href
  const far = await openDatabase({ app: through(urls.app), system: through(urls.system) }, { size: 4, name: 'far' })
  const server = await buildServer({ config: readConfig({}), database: far, secret: SECRET, log })
  after(async () => {
    path.cut()
    await server.close()
    await far.end().catch(() => {})
  })
  const client = await clientOf(server, database, 'agent', await createOrganization(database))
  assert.equal((await client.get('/tickets')).status, 200)

  path.block()
  const began = performance.now()
  const hung = await server.inject('/health')
  assert.ok(performance.now() - began < 20_000)
  assert.equal(hung.statusCode, 503)
  assert.match(hung.body, /"down"/)

  path.cut()
  const refused = await client.get('/tickets')
  assert.equal(refused.status, 503)
  assert.equal(refused.body.title, 'Service Unavailable')
  assert.ok(refused.headers['retry-after'])
  assert.equal((await server.inject('/health')).statusCode, 503)
  assert.equal((await server.inject('/livez')).statusCode, 200)
  const scrape = await server.inject('/metrics')
  assert.equal(scrape.statusCode, 200)
  assert.match(scrape.body, /^atum_db_up 0$/m)
})

test('metrics are for this machine and for the bearer of the token, not for whom a proxy forwards', async () => {
  const status = async (options: object) => (await app.inject({ url: '/api/v1/metrics', ...options })).statusCode
  const authorization = 'Bearer a-token-for-metrics'
  assert.equal(await status({}), 200)
  assert.equal(await status({ remoteAddress: '::ffff:127.0.0.1' }), 200)
  assert.equal(await status({ remoteAddress: '10.0.0.1' }), 401)
  assert.equal(await status({ headers: { 'x-forwarded-for': '127.0.0.1' } }), 401)
  assert.equal(await status({ headers: { forwarded: 'for=127.0.0.1' } }), 401)
  assert.equal(await status({ remoteAddress: '10.0.0.1', headers: { authorization } }), 200)
  assert.equal(await status({ remoteAddress: '10.0.0.1', headers: { authorization: `${authorization}x` } }), 401)
})

test('metrics show every state of every type, the pools, and requests by their pattern', async () => {
  const server = await testServer(database)
  const admin = await clientOf(server, database, 'admin', await createOrganization(database))
  await admin.post('/jobs', { job_type: 'PROBE' })
  await admin.get('/jobs/12345')
  await admin.get('/no/such/path')
  const text = (await server.inject('/metrics')).body
  assert.match(text, /^atum_job_queue_depth\{job_type="PROBE",status="queued"\} 1$/m)
  assert.match(text, /^atum_job_queue_depth\{job_type="PROBE",status="failed"\} 0$/m)
  assert.match(text, /^atum_rag_queue_depth\{status="queued"\} 0$/m)
  assert.match(text, /^atum_db_up 1$/m)
  assert.match(text, /^atum_db_pool_connections\{state="idle"\} \d+$/m)
  assert.match(text, /^atum_job_oldest_due_seconds\{queue="default"\} [\d.e-]+$/m)
  assert.match(text, /atum_http_requests_total\{method="GET",endpoint="\/api\/v1\/jobs\/:id",status="404"\} \d/)
  assert.match(text, /atum_http_requests_total\{method="GET",endpoint="unmatched",status="404"\} \d/)
  assert.doesNotMatch(text, /12345|no\/such/)
  assert.ok((await registry.getMetricsAsJSON()).length > 20)
})

test('the reference is readable without the internet, under a policy that lets it reach nothing else', async () => {
  const page = await app.inject('/docs/')
  assert.equal(page.statusCode, 200)
  const sources = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!)
  assert.ok(sources.length > 0 && sources.every((source) => !/^(https?:)?\/\//.test(source)), sources.join(' '))
  assert.match(String(page.headers['content-security-policy']), /connect-src 'self'/)
  assert.equal((await app.inject('/docs/js/scalar.js')).statusCode, 200)
  const api = await app.inject('/api/v1/openapi.json')
  assert.match(String(api.headers['content-security-policy']), /default-src 'none'/)
  assert.equal(api.headers['x-content-type-options'], 'nosniff')
  assert.equal(api.headers['x-frame-options'], 'DENY')
})

test('every answer says what is left of the rate, and which request it was', async () => {
  const client = await clientOf(app, database, 'agent', await createOrganization(database))
  const { headers } = await client.get('/tickets')
  assert.ok(Number(headers['ratelimit-limit']) > 0)
  assert.ok(Number(headers['ratelimit-remaining']) < Number(headers['ratelimit-limit']))
  assert.match(String(headers['x-request-id']), /^[\w-]{36}$/)
  const own = await app.inject({ url: '/livez', headers: { 'x-request-id': 'my-request-1' } })
  assert.equal(own.headers['x-request-id'], 'my-request-1')
  const forged = await app.inject({ url: '/livez', headers: { 'x-request-id': '"}\u00e9 forged' } })
  assert.notEqual(forged.headers['x-request-id'], '"}\u00e9 forged')
})

test('the console is served with its deep links; a file that is not there is 404, and nothing above it is', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-console-'))
  after(() => rm(directory, { recursive: true, force: true }))
  await mkdir(join(directory, 'assets'))
  await writeFile(join(directory, 'index.html'), '<!doctype html><title>console</title>')
  await writeFile(join(directory, 'assets', 'main-abc.js'), 'export {}')
  const server = await buildServer({ config: readConfig({}), database, secret: SECRET, log, consoleDirectory: directory })
  after(() => server.close())
  for (const url of ['/console/', '/console/jobs/12']) {
    const page = await server.inject(url)
    assert.equal(page.statusCode, 200)
    assert.match(page.body, /<title>console/)
    assert.match(String(page.headers['content-security-policy']), /script-src 'self'/)
    assert.equal(page.headers['cache-control'], 'no-cache')
  }
  const script = await server.inject('/console/assets/main-abc.js')
  assert.match(String(script.headers['cache-control']), /immutable/)
  for (const url of ['/console/assets/none.js', '/console/../package.json', '/console/..%2f..%2fpackage.json', '/console/%2e%2e/package.json']) {
    const { statusCode, headers } = await server.inject(url)
    assert.equal(statusCode, 404, url)
    assert.match(String(headers['content-type']), /problem/)
  }
  assert.equal((await server.inject('/')).headers['location'], '/console/')
})

test('over a real connection, a body that is too large is refused in words', async () => {
  const server = await testServer(database)
  const url = await server.listen({ port: 0, host: '127.0.0.1' })
  const response = await fetch(`${url}/api/v1/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: 'x'.repeat(10_000_000) })
  assert.equal(response.status, 413)
  assert.match(response.headers.get('content-type') ?? '', /problem\+json/)
})
