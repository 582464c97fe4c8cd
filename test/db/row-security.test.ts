import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import pg from 'pg'
import { serviceUrls } from '#db/logins.ts'
import { testDatabase } from '../support/database.ts'
import { readDocument, routesOf } from '../support/openapi.ts'
import { testServer } from '../support/server.ts'
import { furnish, tenantTables } from '../support/world.ts'

const database = await testDatabase()
const app = await testServer(database)
const document = await readDocument(app)
const { organization } = await furnish(database, app, document, routesOf(document), 'ours')
const other = await furnish(database, app, document, routesOf(document), 'theirs')

async function loginOf(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  // The database may go first when the tests are over.
  client.on('error', () => {})
  await client.connect()
  after(() => client.end())
  return client
}
const login = await loginOf(serviceUrls(database.ownerUrl).app)

/** What the role gets: rows, or a refusal. */
async function reads(statement: string, bound: string | null): Promise<{ rows: number } | { refused: true }> {
  await login.query('begin')
  try {
    if (bound !== null) await login.query("select set_config('atum.organization_id', $1, true)", [bound])
    const { rowCount } = await login.query(statement)
    return { rows: rowCount ?? 0 }
  } catch (error) {
    if ((error as { code?: string }).code === '42501') return { refused: true }
    throw error
  } finally {
    await login.query('rollback')
  }
}

test('without a bound organisation the role of requests sees no row of any table that has an organisation, and changes none', async () => {
  const tables = await tenantTables(database)
  assert.ok(tables.length > 25)
  for (const { name } of tables) {
    for (const statement of [`select from ${name}`, `delete from ${name}`, `update ${name} set organization_id = organization_id`]) {
      const outcome = await reads(statement, null)
      assert.ok('refused' in outcome || outcome.rows === 0, `${statement}: ${JSON.stringify(outcome)}`)
    }
  }
})

test('with an organisation bound it sees that one, and none of another', async () => {
  let seen = 0
  for (const { name } of await tenantTables(database)) {
    const foreign = await reads(`select from ${name} where organization_id is distinct from '${organization.id}'`, organization.id)
    assert.ok('refused' in foreign || foreign.rows === 0, name)
    const own = await reads(`select from ${name} where organization_id = '${organization.id}'`, organization.id)
    if ('rows' in own && own.rows > 0) seen += 1
  }
  assert.ok(seen >= 10, `rows of ${seen} tables are seen`)
})

test('nobody writes a row for another organisation than the bound one', async () => {
  const outcome = await reads(`insert into services (organization_id, name) values ('${other.organization.id}', 'smuggled')`, organization.id)
  assert.deepEqual(outcome, { refused: true })
  const moved = await reads(`update tickets set organization_id = '${other.organization.id}'`, organization.id).catch((error: { code?: string }) => error.code)
  assert.ok(moved === '23503' || (typeof moved === 'object' && 'refused' in moved), JSON.stringify(moved))
})

test('an organisation that is no id, or an empty one, shows nothing', async () => {
  assert.deepEqual(await reads('select from tickets', ''), { rows: 0 })
  await assert.rejects(reads('select from tickets', 'x'), /uuid/)
})

test('every table with an organisation has row-level security', async () => {
  const open = await database.owner(`
    select relname from pg_class join pg_attribute on attrelid = pg_class.oid
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and attname in ('organization_id', 'tenant') and not relrowsecurity`)
  assert.deepEqual(open, [])
})

test('the login roles own nothing, are no superusers, make no roles, pass by no row security, and are members of nothing mighty', async () => {
  const roles = await database.owner<Record<string, unknown>>(`
    select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
           (select count(*)::int from pg_shdepend where refobjid = pg_roles.oid and refclassid = 'pg_authid'::regclass and deptype = 'o') as owned,
           (select count(*)::int from pg_auth_members where member = pg_roles.oid) as memberships
      from pg_roles where rolname in ('atum_app', 'atum_system') order by rolname`)
  assert.equal(roles.length, 2)
  for (const { rolname: _name, ...facts } of roles) {
    assert.deepEqual(facts, { rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false, rolreplication: false, owned: 0, memberships: 0 })
  }
})
