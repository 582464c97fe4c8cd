import fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import type { FastifyInstance } from 'fastify'
import { declareSchedules } from '#db/schedules.ts'
import { ensureQueues } from '#db/workers.ts'
import { AUTHORITY } from '#http/authority.ts'
import { QUEUES } from '#jobs/registry.ts'
import { SCHEDULES } from '#jobs/schedules.ts'
import { arbitraryOf, brokenOf, STRANGE } from './arbitrary.ts'
import type { TestDatabase } from './database.ts'
import { readDocument, routesOf } from './openapi.ts'
import type { Document, Route, Schema } from './openapi.ts'
import { actorOf, ask, digestOf, findIds, furnish, idsFor, materialOf } from './world.ts'
import type { Actor, Asked, Household } from './world.ts'

/** What nobody but the other organisation ever says. */
const MARK = 'zwquffel'
/** The ids that requests refer to are read again after so many, since they make and delete things. */
const ROUND = 1_000
const BODY_CHARS_SHOWN = 400

export interface Fuzz {
  requests: number
  seed: number
  say?: (line: string) => void
}

export interface Finding {
  fault: string
  seed: number
  role: string
  request: string
  answer: string
}

export interface FuzzReport {
  requests: number
  /** How many answers had which status. */
  statuses: Record<string, number>
  /** Routes that were never answered with success: what of them was tried was refused. */
  unanswered: string[]
  findings: Finding[]
}

interface World {
  database: TestDatabase
  app: FastifyInstance
  document: Document
  routes: Route[]
  ours: Household
  theirs: Household
}

interface Wish {
  route: Route
  role: string
  asked: Asked
}

/**
 * Sends requests that the document allows, and such with one thing wrong, as every role and as nobody, with ids of the own
 * and of another organisation. A finding is a fault of the service, an error that is no problem document, a word of the
 * other organisation, or a change of what it has.
 */
export async function fuzz(database: TestDatabase, app: FastifyInstance, { requests, seed, say = () => {} }: Fuzz): Promise<FuzzReport> {
  const document = await readDocument(app)
  const routes = routesOf(document)
  const ours = await furnish(database, app, document, routes, 'plain')
  const theirs = await furnish(database, app, document, routes, MARK)
  const world: World = { database, app, document, routes, ours, theirs }
  const tenants: Record<string, Actor | null> = { nobody: null, ...ours.actors }
  const operator = { operator: await actorOf(database, 'operator', null) }
  const report: FuzzReport = { requests: 0, statuses: {}, unanswered: [], findings: [] }
  const answered = new Set<string>()
  await ensureQueues(database.system, QUEUES)
  await declareSchedules(database.system, SCHEDULES)

  const before = await digestOf(database, theirs.organization.id)
  // The operator comes last: what that role changes of another organisation is its right.
  const share = Math.round(requests / 8)
  await play(world, report, answered, { actors: tenants, requests: requests - share, seed, say })
  const after = await digestOf(database, theirs.organization.id)
  for (const [table, digest] of Object.entries(after)) {
    if (digest !== before[table]) report.findings.push({ fault: `${table} of another organisation changed`, seed, role: '', request: '', answer: '' })
  }
  await play(world, report, answered, { actors: operator, requests: share, seed: seed + 1_000_000, say })
  report.unanswered = routes.map(({ name }) => name).filter((name) => !answered.has(name))
  return report
}

interface Play {
  actors: Record<string, Actor | null>
  requests: number
  seed: number
  say: (line: string) => void
}

async function play(world: World, report: FuzzReport, answered: Set<string>, { actors, requests, seed, say }: Play): Promise<void> {
  for (let done = 0; done < requests; done += ROUND) {
    await findIds(world.database, world.ours)
    const count = Math.min(ROUND, requests - done)
    const roundSeed = seed + done
    for (const wish of fc.sample(wishes(world, Object.keys(actors)), { seed: roundSeed, numRuns: count })) {
      const { statusCode, headers, body } = await ask(world.app, wish.route, wish.asked, actors[wish.role]?.token ?? null)
      report.requests += 1
      report.statuses[statusCode] = (report.statuses[statusCode] ?? 0) + 1
      if (statusCode < 400) answered.add(wish.route.name)
      const fault = faultOf(wish, { statusCode, headers, body })
      if (fault) {
        const request = `${wish.route.name} ${JSON.stringify(wish.asked)}`.slice(0, 3_000)
        report.findings.push({ fault, seed: roundSeed, role: wish.role, request, answer: `${statusCode} ${body.slice(0, BODY_CHARS_SHOWN)}` })
      }
    }
    say(`${report.requests} requests, ${report.findings.length} findings`)
  }
}

/** What is wrong with an answer, or null. */
function faultOf({ route, role }: Wish, { statusCode, headers, body }: { statusCode: number; headers: Record<string, unknown>; body: string }): string | null {
  const isHealth = /(health|livez|readyz)$/.test(route.path)
  if (statusCode >= 500 && !isHealth) return `a fault of the service (${statusCode})`
  if (statusCode >= 400 && !isHealth && !String(headers['content-type']).startsWith('application/problem+json'))
    return `an error of the type ${String(headers['content-type'])}`
  if (statusCode >= 400 && /node_modules|\.ts:\d+|\bselect .* from\b/i.test(body)) return 'an error that tells of the inside'
  if (role !== 'operator' && !isHealth && body.includes(MARK)) return 'a word of another organisation'
  if (statusCode >= 200 && statusCode < 300 && !(statusCode in route.operation.responses)) return `a success (${statusCode}) that the document does not know`
  return null
}

/** Made once a round: to make an arbitrary takes longer than to ask it. */
function wishes(world: World, roles: string[]): Arbitrary<Wish> {
  return fc.oneof(
    ...world.routes.map((route) => {
      const rule = AUTHORITY[route.rule] ?? []
      const allowed = roles.filter((role) => rule === 'anyone' || (rule as readonly string[]).includes(role))
      // Mostly somebody who may: a refusal ends before most of the code.
      const role = fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom(...(allowed.length > 0 ? allowed : roles)) },
        { weight: 1, arbitrary: fc.constantFrom(...roles) },
      )
      return fc.record({ route: fc.constant(route), role, asked: asking(world, route) })
    }),
  )
}

/** Things that anybody may put into a header. */
const HEADERS: readonly Record<string, string>[] = [
  { 'if-match': '"1"' },
  { 'if-match': '*' },
  { 'if-match': 'garbage' },
  { 'if-none-match': '"1"' },
  { 'idempotency-key': 'a' },
  { 'idempotency-key': 'b' },
  { 'idempotency-key': '' },
  { 'last-event-id': '-1' },
  { 'x-request-id': 'x'.repeat(300) },
  { 'content-type': 'text/plain' },
  { 'content-type': 'application/json; charset=latin1' },
  { accept: 'text/html' },
  { range: 'bytes=0-1' },
  { authorization: 'Basic dXNlcjpwYXNz' },
  { authorization: `Bearer atum_${'x'.repeat(43)}` },
]
/** Positions in lists: empty, of a number, of a text, none. */
const CURSORS = ['W10', 'WzFd', 'WyJhIl0', 'garbage']
const GARBAGE_IDS = ['0', '-1', 'garbage', '%00', '../..', '99999999999999999999', "' or 1=1 --", '\u{1f600}']

function asking(world: World, route: Route): Arbitrary<Asked> {
  const { document, ours, theirs } = world
  const text = fc.oneof(
    { weight: 12, arbitrary: fc.stringMatching(/^[a-z]{2,8}( [a-z]{2,8}){0,3}$/) },
    { weight: 2, arbitrary: fc.string({ maxLength: 20 }) },
    { weight: 1, arbitrary: fc.constantFrom(...STRANGE.filter((value) => typeof value === 'string')) },
  )
  const material = { ...materialOf([ours, ours, theirs], text), text }
  const { schema: content, examples = {} } = Object.values(route.operation.requestBody?.content ?? {})[0] ?? {}
  const generated = content ? arbitraryOf(document, material, content) : fc.constant(undefined)
  const given = Object.values(examples).map(({ value }) => value)
  const valid = given.length > 0 ? fc.oneof({ weight: 2, arbitrary: generated }, { weight: 1, arbitrary: fc.constantFrom(...given) }) : generated
  const id = fc.oneof(
    { weight: 8, arbitrary: ids(route, ours) },
    { weight: 2, arbitrary: ids(route, theirs) },
    { weight: 1, arbitrary: fc.constantFrom(...GARBAGE_IDS) },
  )
  return fc
    .record({
      id,
      params: fc.record({
        ...Object.fromEntries([...route.path.matchAll(/\{(\w+_id)\}/g)].map(([, name]) => [name!, material.id(name!).map(String)])),
        slug: fc.constantFrom('a', 'connect-a-new-till'),
        tag: fc.constantFrom('network', 'x'),
        name: fc.constantFrom('default', 'mail', 'job', 'ticket', 'cleanup', 'garbage'),
        version: fc.constantFrom('1', '2', '0', 'x'),
      }),
      query: queryFor(document, route, material),
      body: content ? fc.oneof({ weight: 2, arbitrary: valid }, { weight: 1, arbitrary: brokenOf(valid) }) : fc.constant(undefined),
      headers: fc.oneof({ weight: 7, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fc.constantFrom(...HEADERS) }),
    })
    .map((asked) => asked as Asked)
}

function ids(route: Route, household: Household): Arbitrary<string> {
  const fitting = idsFor(route, household)
  const any = fc.constantFrom(...[...household.ids.values()].flat())
  return fitting.length > 0 ? fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...fitting) }, { weight: 1, arbitrary: any }) : any
}

function queryFor(document: Document, route: Route, material: Parameters<typeof arbitraryOf>[1]): Arbitrary<string> {
  const parameters = (route.operation.parameters ?? []).filter((parameter) => parameter.in === 'query')
  const queryOf = (value: (name: string, schema: Schema) => Arbitrary<unknown>): Arbitrary<Record<string, unknown>> =>
    fc.record(Object.fromEntries(parameters.map(({ name, schema }) => [name, value(name, schema)])))
  const given = queryOf((name, schema) => (name === 'cursor' ? fc.constantFrom(...CURSORS) : arbitraryOf(document, material, schema, name)))
  const strange = queryOf(() => fc.constantFrom(...STRANGE))
  const required = parameters.filter((parameter) => parameter.required).map(({ name }) => name)
  const optional = parameters.filter((parameter) => !parameter.required).map(({ name }) => name)
  return fc
    .tuple(given, strange, fc.subarray(optional, { maxLength: Math.min(optional.length, 2) }), fc.nat({ max: 5 }))
    .map(([values, strangers, chosen, luck]) => {
      const names = [...required, ...(luck > 3 ? chosen : chosen.filter((name) => name !== 'cursor'))]
      const pairs = names.map((name, index) => `${name}=${encoded(luck === 5 && index === 0 ? strangers[name] : values[name])}`)
      return pairs.length > 0 ? `?${pairs.join('&')}` : ''
    })
}

function encoded(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return encodeURIComponent(text.toWellFormed())
}
