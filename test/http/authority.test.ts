import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { AUTHORITY } from '#http/authority.ts'
import { testDatabase } from '../support/database.ts'
import { readDocument, routesOf } from '../support/openapi.ts'
import { createOrganization } from '../support/people.ts'
import { testServer } from '../support/server.ts'
import { actorOf, ask, TENANT_ROLES } from '../support/world.ts'

const database = await testDatabase()
const app = await testServer(database)
const routes = routesOf(await readDocument(app))
const organization = await createOrganization(database)
const actors = [await actorOf(database, 'operator', null)]
for (const role of TENANT_ROLES) actors.push(await actorOf(database, role, organization))

test('every route of the table is served and described, and nothing else is', () => {
  assert.deepEqual(routes.map(({ rule }) => rule).toSorted(), Object.keys(AUTHORITY).toSorted())
})

for (const route of routes) {
  const rule = AUTHORITY[route.rule] ?? []
  const id = route.path.includes('/jobs/') ? '999999999' : randomUUID()
  // A body that no route takes: who may come in is refused for it, and changes nothing.
  const asked = { id, params: { name: 'nowhere' }, ...(route.method === 'GET' || route.method === 'DELETE' ? {} : { body: [] }) }

  test(`${route.name} is for ${rule === 'anyone' ? 'anyone' : rule.join(', ')}`, async () => {
    const nobody = await ask(app, route, asked, null)
    if (rule === 'anyone') assert.notEqual(nobody.statusCode, 403)
    else {
      assert.equal(nobody.statusCode, 401)
      assert.match(String(nobody.headers['www-authenticate']), /^Bearer/)
    }
    for (const actor of actors) {
      const { statusCode, body } = await ask(app, route, asked, actor.token)
      const said = `${actor.role}: ${statusCode} ${body.slice(0, 200)}`
      if (rule === 'anyone') assert.notEqual(statusCode, 403, said)
      else if (rule.includes(actor.role)) assert.ok(statusCode !== 401 && statusCode !== 403 && statusCode < 500, said)
      else assert.equal(statusCode, 403, said)
    }
  })
}
