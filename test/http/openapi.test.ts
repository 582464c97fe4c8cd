import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AUTHORITY } from '#http/authority.ts'
import { EXAMPLES } from '#http/examples.ts'
import { hashPassword } from '#http/passwords.ts'
import { insertUser } from '#db/users.ts'
import { testDatabase } from '../support/database.ts'
import { readDocument, routesOf } from '../support/openapi.ts'
import type { Route } from '../support/openapi.ts'
import { testServer } from '../support/server.ts'
import { actorOf, ask, furnish, idFor } from '../support/world.ts'

const database = await testDatabase()
const app = await testServer(database)
const document = await readDocument(app)
const routes = routesOf(document)
const household = await furnish(database, app, document, routes, 'ours')
const operator = await actorOf(database, 'operator', null)
await insertUser(database.system, {
  organization_id: household.organization.id,
  email: 'ada@brewline.example',
  password_hash: await hashPassword('three green bottles'),
  full_name: 'Ada',
  role: 'agent',
})
await database.owner("update organizations set slug = 'brewline' where id = $1", [household.organization.id])

await database.owner("insert into queues (name) values ('default') on conflict do nothing")

test('the document is OpenAPI 3.1, and each operation says what it does, where it belongs, who may and what comes back', () => {
  assert.match(document.openapi, /^3\.1\./)
  for (const { name, operation, rule } of routes) {
    assert.ok((operation.summary ?? '').length > 5, `${name} has no summary`)
    assert.ok((operation.tags ?? []).length > 0, `${name} has no tag`)
    assert.ok(
      Object.keys(operation.responses).some((status) => status.startsWith('2')),
      `${name} never succeeds`,
    )
    assert.ok('default' in operation.responses, `${name} knows no problem`)
    assert.equal(operation.security !== undefined, AUTHORITY[rule] !== 'anyone', name)
  }
})

test('every reference in the document leads somewhere', () => {
  const text = JSON.stringify(document)
  for (const [, path] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const found = path!.split('/').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], document)
    assert.ok(found, `${path}`)
  }
})

test('examples are of routes that there are', () => {
  for (const rule of Object.keys(EXAMPLES)) assert.ok(rule in AUTHORITY, rule)
})

/** A ticket of its own for what moves one, else the first thing of the kind that there is. */
async function idOf(route: Route, token: string): Promise<string> {
  if (!route.path.startsWith('/api/v1/tickets/{id}')) return idFor(route, household)
  const post = routes.find(({ name }) => name === 'POST /api/v1/tickets')!
  const { body } = await ask(app, post, { body: { subject: 's', description: 'd' } }, token)
  return (JSON.parse(body) as { id: string }).id
}

for (const route of routes) {
  const examples = Object.values(Object.values(route.operation.requestBody?.content ?? {})[0]?.examples ?? {})
  for (const [index, example] of examples.entries()) {
    test(`${route.name}: its example ${index + 1} does as it says`, async () => {
      const rule = AUTHORITY[route.rule]!
      const actor = rule === 'anyone' || rule.includes('admin') ? household.actors.admin : operator
      const { statusCode, body } = await ask(app, route, { id: await idOf(route, actor.token), body: example.value }, actor.token)
      assert.ok(statusCode < 300 && String(statusCode) in route.operation.responses, `${statusCode} ${body.slice(0, 500)}`)
    })
  }
}
