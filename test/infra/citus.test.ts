import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { z } from 'zod'
import { bindOrganization, inOrganization } from '#db/pool.ts'
import { prepared, sql } from '#db/sql.ts'
import { testDatabase } from '../support/database.ts'
import { readDocument, routesOf } from '../support/openapi.ts'
import { createOrganization } from '../support/people.ts'
import { testServer } from '../support/server.ts'
import { furnish } from '../support/world.ts'

const database = await testDatabase()
const asked = z.object({ organization: z.string().nullable(), said: z.string() })
const ask = sql.type(asked)`select bound_organization() as organization, current_query() as said`

test('a statement of a bound transaction carries its organisation as a value, and no other statement does', async () => {
  const [one, other] = [await createOrganization(database), await createOrganization(database)]
  for (const { id } of [one, other, one]) {
    const { organization, said } = await inOrganization(database.app, id, (tx) => tx.one(ask))
    assert.equal(organization, id)
    assert.match(said, /^select \$1::uuid as organization/)
    assert.deepEqual(await database.app.one(ask), { organization: null, said: ask.sql })
  }
  await database.system.transaction(async (tx) => {
    assert.equal((await tx.one(ask)).organization, null)
    await bindOrganization(tx, one.id)
    assert.equal((await tx.one(ask)).organization, one.id)
    assert.equal((await tx.transaction((inner) => inner.one(ask))).organization, one.id)
    await bindOrganization(tx, other.id)
    assert.equal((await tx.one(ask)).organization, other.id)
    await bindOrganization(tx, '')
    assert.deepEqual(await tx.one(ask), { organization: null, said: ask.sql })
  })
})

test('a statement whose plan is kept is planned for both, bound and not, on one connection', async () => {
  const { id } = await createOrganization(database)
  const kept = prepared('ask-organization', ask)
  await database.system.connect(async (connection) => {
    for (const organization of [id, null, id]) {
      const said = await connection.transaction(async (tx) => {
        if (organization) await bindOrganization(tx, organization)
        return tx.one(kept)
      })
      assert.equal(said.organization, organization)
    }
  })
})

test('with keys that lead with the organisation, as distribution by it wants them, everything is made as before', async () => {
  await database.owner(await readFile(new URL('../../infra/citus/keys.sql', import.meta.url), 'utf8'))
  const short = await database.owner(`
    select conrelid::regclass::text as name, pg_get_constraintdef(pg_constraint.oid) as key
      from pg_constraint join pg_attribute on attrelid = conrelid and attname = 'organization_id' and attnotnull
     where connamespace = 'public'::regnamespace and contype in ('p', 'u', 'f') and not attnum = any(conkey)
       and conrelid::regclass::text !~ '^(audit|job|registrations)'
    union all
    select indrelid::regclass::text, indexrelid::regclass::text
      from pg_index join pg_attribute on attrelid = indrelid and attname = 'organization_id' and attnotnull
     where indisunique and not attnum = any(indkey::int2[]) and indrelid::regclass::text !~ '^(audit|job|registrations|pg_)'`)
  assert.deepEqual(short, [])

  const app = await testServer(database)
  const document = await readDocument(app)
  const household = await furnish(database, app, document, routesOf(document), 'ours')
  for (const table of ['tickets', 'comments', 'kb_articles', 'services', 'ticket_kb_suggestions', 'webhook_endpoints', 'sla_policies']) {
    assert.ok((household.ids.get(table) ?? []).length > 0, `there are ${table}`)
  }
})
