import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { start } from '../cli/program.ts'
import { testDatabase, until } from '../support/database.ts'
import { createOrganization, createUser, PASSWORD } from '../support/people.ts'
import { receiver } from '../support/receiver.ts'
import { SECRET } from '../support/server.ts'

const PRODUCER = 4
const CONSUMER = 5
const SERVER = 2
const CALLER = { trace: '4bf92f3577b34da6a3ce929d0e0e4736', span: '00f067aa0ba902b7' }
/** Ends a process that loads anything of OpenTelemetry but its API, which Slonik brings. */
const WITHOUT_OTEL = `data:text/javascript,${encodeURIComponent(
  `import { registerHooks } from 'node:module'; registerHooks({ resolve(name, context, next) { if (/@opentelemetry.(?!api)/.test(name)) throw new Error('loaded ' + name); return next(name, context) } })`,
)}`

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  service: string
  attributes: Record<string, unknown>
  status?: { code?: number }
}

interface Export {
  resourceSpans: {
    resource: { attributes: Attribute[] }
    scopeSpans: { spans: (Omit<Span, 'service' | 'attributes'> & { attributes: Attribute[] })[] }[]
  }[]
}
interface Attribute {
  key: string
  value: Record<string, unknown>
}

const valuesOf = (attributes: readonly Attribute[]) => Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))

function spansOf(body: string): Span[] {
  return (JSON.parse(body) as Export).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({ ...span, attributes: valuesOf(span.attributes), service: String(valuesOf(resource.attributes)['service.name']) })),
    ),
  )
}

/** An API and a worker as processes of their own, and somebody who is signed in. */
async function startDesk(settings: Record<string, string>) {
  const ATUM_DATA_DIR = await mkdtemp(join(tmpdir(), 'atum-desk-traces-'))
  after(() => rm(ATUM_DATA_DIR, { recursive: true }))
  const database = await testDatabase()
  const here = { ...settings, DATABASE_URL: database.ownerUrl, ATUM_DATA_DIR, ATUM_SECRET: SECRET, PORT: '0', POLL_MS: '100' }
  const [api, worker] = [start(['serve', '--json'], here), start(['work', '--json'], here)]
  after(() => [api, worker].forEach(({ process }) => process.kill('SIGKILL')))
  await until(() => [api, worker].every(({ said }) => said.stdout.includes('}')), 'both are there').catch((error: Error) => {
    throw new Error(`${error.message}\n${api.said.stderr}\n${worker.said.stderr}`)
  })
  const { url } = JSON.parse(api.said.stdout) as { url: string }
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${url}/api/v1${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
  }
  const organization = await createOrganization(database)
  const signIn = async (email: string) => ({
    authorization: `Bearer ${String((await post('/auth/login', { email, password: PASSWORD })).body['access_token'])}`,
  })
  const agent = await signIn((await createUser(database, 'agent', organization)).email)
  const operator = await signIn((await createUser(database, 'operator', null)).email)
  return { api, worker, database, post, agent, operator }
}

test("one trace leads from the caller through the request and the enqueue to each attempt of its jobs, in the worker's process", async () => {
  const collector = await receiver()
  const spans = () => collector.received.flatMap(({ body }) => spansOf(body))
  const { api, worker, database, post, agent, operator } = await startDesk({
    OTEL_EXPORTER_OTLP_ENDPOINT: new URL(collector.url).origin,
    OTEL_BSP_SCHEDULE_DELAY: '100',
  })
  const traceparent = `00-${CALLER.trace}-${CALLER.span}-01`
  const ticket = await post('/tickets', { subject: 'The printer is on fire', description: 'It burns.' }, { ...agent, traceparent })
  assert.equal(ticket.status, 201)
  const probe = await post('/jobs', { job_type: 'PROBE', payload: { fail_times: 1, marker: 'traced' } }, operator)
  assert.equal(probe.status, 201)
  const live = `select from job_queue where traceparent is not null and status not in ('done', 'failed', 'cancelled') and run_after < now() + interval '1 minute'`
  await until(async () => (await database.owner(live)).length === 0, 'the jobs have ended')

  const ofCaller = () => spans().filter((span) => span.traceId === CALLER.trace)
  // What a span consists of ends before it, so it has arrived as well.
  const has = (name: string) => ofCaller().some((span) => span.name === name)
  await until(() => has('TRIAGE_TICKET attempt 1') && has('POST /api/v1/tickets'), 'spans arrive')
  const request = ofCaller().find((span) => span.kind === SERVER)!
  assert.equal(request.parentSpanId, CALLER.span)
  assert.equal(request.name, 'POST /api/v1/tickets')
  assert.equal(request.service, 'atum-desk-api')
  assert.equal(Number(request.attributes['http.response.status_code']), 201)
  const enqueue = ofCaller().find((span) => span.kind === PRODUCER && span.parentSpanId === request.spanId)!
  assert.match(enqueue.name, /^enqueue .*TRIAGE_TICKET/)
  const triage = ofCaller().find((span) => span.name === 'TRIAGE_TICKET attempt 1')!
  assert.deepEqual([triage.parentSpanId, triage.service, triage.kind], [enqueue.spanId, 'atum-desk-worker', CONSUMER])
  const statement = ofCaller().find((span) => span.parentSpanId === triage.spanId && span.attributes['db.query.text'] !== undefined)
  assert.ok(statement, 'what the handler asks of the database is a part of its attempt')

  // Without a caller's trace it begins one of its own; each attempt is a span, and the one that failed says so.
  const attempts = () => spans().filter((span) => span.name.startsWith('PROBE attempt'))
  await until(() => attempts().length === 2, 'both attempts arrive')
  const [first, second] = attempts().toSorted((a, b) => a.name.localeCompare(b.name))
  assert.deepEqual([first!.traceId, first!.parentSpanId], [second!.traceId, second!.parentSpanId])
  assert.notEqual(first!.traceId, CALLER.trace)
  assert.deepEqual([first!.attributes['atum.job.state'], second!.attributes['atum.job.state']], ['retried', 'done'])
  assert.deepEqual([first!.status?.code, second!.status?.code ?? 0], [2, 0])

  const lines = () => api.said.stderr.split('\n').slice(0, -1)
  await until(() => lines().some((text) => text.includes('"endpoint":"/api/v1/tickets"')), 'the log tells of it')
  const line = lines().find((text) => text.includes('"endpoint":"/api/v1/tickets"'))!
  assert.deepEqual(
    [(JSON.parse(line) as Record<string, unknown>)['trace_id'], (JSON.parse(line) as Record<string, unknown>)['span_id']],
    [CALLER.trace, request.spanId],
  )
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
  const secrets = spans().filter((span) => JSON.stringify(span).includes('It burns') || JSON.stringify(span).includes(PASSWORD))
  assert.deepEqual(secrets, [], 'spans tell nothing of what people wrote')

  // A collector that has gone keeps nobody from working, nor from stopping.
  await collector.down()
  assert.equal((await post('/tickets', { subject: 'Once more', description: 'd' }, agent)).status, 201)
  for (const { process } of [api, worker]) process.kill('SIGTERM')
  assert.deepEqual([(await api.ended).code, (await worker.ended).code], [0, 0])
})

test('without an endpoint nothing that traces is loaded, and a job carries no trace', async () => {
  const { database, post, agent } = await startDesk({ NODE_OPTIONS: `--import=${WITHOUT_OTEL}` })
  const headers = { ...agent, traceparent: `00-${CALLER.trace}-${CALLER.span}-01` }
  assert.equal((await post('/tickets', { subject: 'Plain', description: 'd' }, headers)).status, 201)
  await until(async () => (await database.owner(`select from job_queue where job_type = 'TRIAGE_TICKET' and status = 'done'`)).length === 1, 'triage')
  assert.deepEqual(await database.owner('select from job_queue where traceparent is not null'), [])
})
