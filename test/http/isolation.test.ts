import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AUTHORITY } from '#http/authority.ts'
import { testDatabase } from '../support/database.ts'
import { readDocument, routesOf } from '../support/openapi.ts'
import { testServer } from '../support/server.ts'
import { ask, digestOf, furnish, idFor, materialOf, sample, TENANT_ROLES } from '../support/world.ts'
import type { Actor, Answered } from '../support/world.ts'

const SAMPLES_MAX = 40

const database = await testDatabase()
const app = await testServer(database)
const document = await readDocument(app)
const routes = routesOf(document)
const ours = await furnish(database, app, document, routes, 'ours')
const theirs = await furnish(database, app, document, routes, 'theirs')
const before = await digestOf(database, theirs.organization.id)
const material = materialOf([ours], fc.constant('some words'))
const kinds = [...theirs.ids].flatMap(([table, ids]) => (ids.length > 0 ? [{ table, id: ids[0]! }] : []))

test('the organisation has something of every kind that the API makes', () => {
  for (const table of ['tickets', 'comments', 'attachments', 'users', 'kb_articles', 'kb_categories', 'sla_calendars', 'sla_policies', 'job_queue']) {
    assert.ok(
      kinds.some((kind) => kind.table === table),
      `nothing in ${table}`,
    )
  }
})

for (const route of routes.filter(({ path }) => path.includes('{id}'))) {
  test(`${route.name}: another organisation's things do not exist, for any role and of any kind, and stay as they are`, async () => {
    const rule = AUTHORITY[route.rule]!
    /** With the first body that is well-formed and the role's to send: one that is not would hide the answer. */
    const refusals = (role: Actor['role']): number[] => (rule === 'anyone' || rule.includes(role) ? [400, 403, 422] : [400, 422])
    const answerTo = async (actor: Actor, id: string): Promise<Answered> => {
      let answer: Answered | undefined
      for (let seed = 0; seed < (route.operation.requestBody ? SAMPLES_MAX : 1); seed += 1) {
        answer = await ask(app, route, { id, body: sample(document, route, material, seed) }, actor.token)
        if (!refusals(actor.role).includes(answer.statusCode)) break
      }
      return answer!
    }
    const allowed = TENANT_ROLES.filter((role) => rule === 'anyone' || rule.includes(role))
    for (const role of TENANT_ROLES) {
      const { statusCode, body } = await answerTo(ours.actors[role], idFor(route, theirs))
      assert.equal(statusCode, allowed.includes(role) ? 404 : 403, `${role}: ${body.slice(0, 300)}`)
    }
    for (const [index, { table, id }] of kinds.entries()) {
      const role = allowed[index % allowed.length]
      if (role === undefined) continue
      const { statusCode, body } = await answerTo(ours.actors[role], id)
      // A job's id is no UUID, and a UUID no job's: then it is not even an id.
      assert.ok(statusCode === 404 || statusCode === 400, `${role} with an id of ${table}: ${statusCode} ${body.slice(0, 300)}`)
      assert.doesNotMatch(body, /theirs/)
    }
    assert.deepEqual(await digestOf(database, theirs.organization.id), before)
  })
}

test('no list shows anything of another organisation', async () => {
  for (const route of routes.filter(({ method, path, rule }) => method === 'GET' && !path.includes('{') && AUTHORITY[rule] !== 'anyone')) {
    for (const role of TENANT_ROLES) {
      const query = route.operation.parameters?.some(({ name, required }) => name === 'q' && required) ? '?q=theirs' : ''
      const { statusCode, body } = await ask(app, route, { query }, ours.actors[role].token)
      assert.ok(statusCode < 500, `${role} ${route.name}: ${body.slice(0, 300)}`)
      assert.ok(!body.includes('theirs') && !body.includes(theirs.organization.id), `${role} ${route.name} shows ${body.slice(0, 500)}`)
    }
  }
})
