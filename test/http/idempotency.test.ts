import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { AUTHORITY } from '#http/authority.ts'
import { EXAMPLES } from '#http/examples.ts'
import { testDatabase } from '../support/database.ts'
import { readDocument, routesOf } from '../support/openapi.ts'
import { testServer } from '../support/server.ts'
import { actorOf, ask, digestOf, findIds, furnish, idFor, materialOf, sample, settle } from '../support/world.ts'

const SAMPLES_MAX = 40

const database = await testDatabase()
const app = await testServer(database)
const document = await readDocument(app)
const routes = routesOf(document)
const household = await furnish(database, app, document, routes, 'ours')
const operator = await actorOf(database, 'operator', null)
await database.owner(
  "insert into schedules (name, job_type, cron, payload, per_organization, last_slot) values ('cleanup', 'CLEANUP', '0 0 * * *', '{}', false, now())",
)
const material = materialOf([household], fc.stringMatching(/^[a-z]{12,20}$/))

for (const route of routes.filter(({ method, operation }) => method === 'POST' && '201' in operation.responses)) {
  test(`${route.name} is done once for a key, answers the same again, and refuses the key with another body`, async () => {
    const rule = AUTHORITY[route.rule]!
    const actor = rule === 'anyone' || rule.includes('admin') ? household.actors.admin : operator
    // One that was made switched off takes no test.
    await database.owner('update webhook_endpoints set is_active = true, disabled_at = null, disabled_reason = null')
    await findIds(database, household)
    const id = idFor(route, household)
    let last = ''
    const examples = EXAMPLES[route.rule]?.map(({ value }) => value) ?? []
    for (let seed = 0; seed < examples.length + SAMPLES_MAX; seed += 1) {
      const body = examples[seed] ?? sample(document, route, material, seed)
      const asked = { id, params: { name: 'cleanup' }, body, headers: { 'idempotency-key': randomUUID() } }
      const first = await ask(app, route, asked, actor.token)
      last = `${first.statusCode} ${first.body.slice(0, 300)}`
      if (first.statusCode !== 201) continue
      await settle(database)
      const before = await digestOf(database, household.organization.id)
      const again = await ask(app, route, asked, actor.token)
      assert.deepEqual([again.statusCode, again.headers['idempotent-replayed']], [201, 'true'], again.body.slice(0, 300))
      assert.deepEqual(JSON.parse(again.body), JSON.parse(first.body))
      assert.deepEqual(await digestOf(database, household.organization.id), before, 'nothing was done again')
      const other = otherBody(asked.body)
      if (other === undefined) return
      const misused = await ask(app, route, { ...asked, body: other }, actor.token)
      assert.equal(misused.statusCode, 422, misused.body.slice(0, 300))
      assert.deepEqual(await digestOf(database, household.organization.id), before, 'the key with another body does nothing')
      return
    }
    assert.fail(`no sample of a body was taken: ${last}`)
  })
}

/** The same body with one more letter in a text or another truth; undefined where there is nothing to change. */
function otherBody(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return undefined
  for (const [name, value] of Object.entries(body)) {
    if (typeof value === 'string' && /^[a-z]{12,20}$/.test(value)) return { ...body, [name]: value.replace(/^./, (letter) => (letter === 'a' ? 'b' : 'a')) }
    if (typeof value === 'boolean') return { ...body, [name]: !value }
  }
  return undefined
}
