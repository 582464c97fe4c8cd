import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { insertAudit } from '#db/audit.ts'
import { verifyAudit } from '#db/audit-verify.ts'
import type { Break } from '#db/audit-verify.ts'
import { migrate } from '#db/migrations.ts'
import { inOrganization } from '#db/pool.ts'
import { sql } from '#db/sql.ts'
import { pruneAudit } from '#db/audit-chain.ts'
import { testDatabase } from '../support/database.ts'
import { createOrganization } from '../support/people.ts'

const database = await testDatabase()
let written = 0
const [one, other] = [await createOrganization(database), await createOrganization(database)]

function write(organizationId: string, n: number): Promise<void> {
  return inOrganization(database.app, organizationId, (tx) => noted(tx, organizationId, n))
}

function noted(tx: Parameters<typeof insertAudit>[0], organizationId: string | null, n: number): Promise<void> {
  return insertAudit(tx, {
    organization_id: organizationId,
    actor_id: null,
    action: 'test.write',
    entity_type: 'test',
    entity_id: String((written += 1)),
    details: { n, wörd: 'ünï' },
    request_id: null,
  })
}

const breaks = async (): Promise<Break[]> => (await verifyAudit(database.system)).flatMap(({ broken }) => broken ?? [])
const chainOf = (organizationId: string) =>
  database.owner<{ id: string; seq: string }>('select id, seq from audit_log where organization_id = $1 order by seq', [organizationId])

test('rows that are written at once stand in one unbroken chain an organisation, their ids in the order of the commits', async () => {
  await Promise.all(Array.from({ length: 60 }, (_, n) => write(n % 2 ? one.id : other.id, n)))
  await database.system.transaction((tx) => noted(tx, null, 0))
  const reports = await verifyAudit(database.system)
  const rowsOf = (id: string | null) => reports.find(({ organization_id }) => organization_id === id)?.rows
  assert.deepEqual([rowsOf(null), rowsOf(one.id), rowsOf(other.id)], [1, 30, 30])
  assert.deepEqual(await breaks(), [])
  const rows = await chainOf(one.id)
  assert.deepEqual(
    rows.map((row) => Number(row.seq)),
    rows.map((_, index) => index + 1),
  )
  assert.deepEqual(
    rows.map((row) => Number(row.id)),
    rows.map((row) => Number(row.id)).toSorted((a, b) => a - b),
  )
})

test('one transaction that writes for several organisations, in another order than its neighbour, waits for none in a circle', async () => {
  const mixed = (first: string, second: string) =>
    database.system.transaction(async (tx) => {
      await noted(tx, first, 1)
      await noted(tx, second, 2)
    })
  await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 2 ? mixed(one.id, other.id) : mixed(other.id, one.id))))
  assert.deepEqual(await breaks(), [])
})

test('what is rolled back is in no chain, nor what is rolled back to a savepoint', async () => {
  const before = (await chainOf(one.id)).length
  await assert.rejects(
    inOrganization(database.app, one.id, async (tx) => {
      await noted(tx, one.id, 1)
      throw new Error('no')
    }),
    /no/,
  )
  await inOrganization(database.app, one.id, async (tx) => {
    await tx
      .transaction(async (inner) => {
        await noted(inner, one.id, 2)
        throw new Error('not this')
      })
      .catch(() => {})
    await noted(tx, one.id, 3)
  })
  assert.equal((await chainOf(one.id)).length, before + 1)
  assert.deepEqual(await breaks(), [])
})

test('the roles of the service, and the owner as well, can neither change nor delete a row, nor make up a place or an anchor', async () => {
  for (const pool of [database.app, database.system]) {
    for (const statement of [
      sql.unsafe`update audit_log set action = 'a.b'`,
      sql.unsafe`delete from audit_log`,
      sql.unsafe`truncate audit_log`,
      sql.unsafe`update audit_heads set seq = 1`,
      sql.unsafe`insert into audit_log (action, entity_type, entity_id, seq, hash) values ('a.b', 'a', '1', 1, '')`,
      sql.unsafe`insert into audit_log (action, entity_type, entity_id) values ('audit.prune', 'audit', '1')`,
    ]) {
      await assert.rejects(pool.query(statement), statement.sql)
    }
  }
  for (const statement of ['update audit_log set action = action', 'delete from audit_log', 'truncate audit_log']) {
    await assert.rejects(database.owner(statement), /append-only/)
  }
})

const COLUMNS: Record<string, string> = {
  id: 'id + 1000000',
  organization_id: 'gen_random_uuid()',
  actor_id: 'gen_random_uuid()',
  action: `action || 'x'`,
  entity_type: `entity_type || 'x'`,
  entity_id: `'9' || entity_id`,
  details: `details || '{"x": 1}'`,
  request_id: `'req'`,
  at: `at + interval '1 microsecond'`,
  seq: 'seq + 1000000',
  hash: `sha256(hash)`,
}

/** Does it as somebody who owns the database and has taken the triggers off; undone afterwards. */
async function tampered(statements: readonly string[]): Promise<Break[]> {
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: database.ownerUrl })
  await client.connect()
  try {
    await client.query(`create table if not exists kept_log as select * from audit_log; create table if not exists kept_heads as select * from audit_heads`)
    await client.query(`begin; set local session_replication_role = replica; ${statements.join(';')}; commit`)
    const found = await breaks()
    await client.query(
      `begin; set local session_replication_role = replica; delete from audit_log; insert into audit_log overriding system value select * from kept_log;
       delete from audit_heads; insert into audit_heads select * from kept_heads; commit; drop table kept_log, kept_heads`,
    )
    return found
  } finally {
    await client.end()
  }
}

test('any change of any field of any row, any deletion and any swap is found', async () => {
  await database.owner('alter table audit_log alter column id drop identity')
  const ids = (await chainOf(one.id)).map((row) => Number(row.id))
  const anId = fc.nat(ids.length - 1).map((index) => ids[index]!)
  const change = fc
    .tuple(anId, fc.constantFrom(...Object.keys(COLUMNS)))
    .map(([id, column]) => ({ what: `${column} of ${id}`, statements: [`update audit_log set ${column} = ${COLUMNS[column]} where id = ${id}`] }))
  const removal = fc.tuple(anId, fc.nat(3)).map(([id, more]) => ({
    what: `rows from ${id} on`,
    statements: [`delete from audit_log where id >= ${id} and id <= ${id} + ${more} and organization_id = '${one.id}'`],
  }))
  const swap = fc
    .tuple(anId, anId)
    .filter(([a, b]) => a !== b)
    .map(([a, b]) => ({
      what: `${a} and ${b}`,
      statements: [`update audit_log a set entity_id = b.entity_id, details = b.details from audit_log b where (a.id, b.id) in ((${a}, ${b}), (${b}, ${a})) `],
    }))
  // Whoever changes a row and gives it a fitting hash breaks the row after it, or the head.
  const rehashed = anId.map((id) => ({
    what: `${id} with its hash`,
    statements: [
      `update audit_log set action = 'forged.row' where id = ${id}`,
      `update audit_log a set hash = audit_hash(coalesce((select hash from audit_log b where b.organization_id = a.organization_id and b.seq = a.seq - 1), sha256('')),
         seq, id, organization_id, actor_id, action, entity_type, entity_id, details, request_id, at) where id = ${id}`,
    ],
  }))
  const wholly = fc.constantFrom(
    { what: 'a chain', statements: [`delete from audit_log where organization_id = '${one.id}'`] },
    { what: 'a head', statements: [`delete from audit_heads where tenant = '${one.id}'`] },
    { what: 'the beginning', statements: [`delete from audit_log where organization_id = '${one.id}' and seq <= 5`] },
  )
  await fc.assert(
    fc.asyncProperty(fc.oneof({ weight: 4, arbitrary: change }, removal, swap, rehashed, wholly), async ({ what, statements }) => {
      assert.ok((await tampered(statements)).length > 0, what)
    }),
    { numRuns: 120 },
  )
  assert.deepEqual(await breaks(), [], 'everything was put back')
})

test('a chain that was written anew as a whole does not match a head that was kept elsewhere', async () => {
  const kept = await verifyAudit(database.system)
  await write(one.id, 1)
  assert.deepEqual(
    (await verifyAudit(database.system, kept)).flatMap(({ broken }) => broken ?? []),
    [],
  )
  const forged = kept.map((report) => (report.organization_id === one.id ? { ...report, head: { ...report.head!, hash: '00'.repeat(32) } } : report))
  const [broken] = (await verifyAudit(database.system, forged)).flatMap(({ broken }) => broken ?? [])
  assert.deepEqual([broken?.fault, broken?.seq], ['changed', kept.find(({ organization_id }) => organization_id === one.id)!.head!.seq])
})

test('retention takes the oldest rows, leaves an anchor, and the chain stays verifiable; younger rows and short terms are refused', async () => {
  const rows = await chainOf(one.id)
  await assert.rejects(pruneAudit(database.system, 29, 1_000), /at least 30/)
  assert.equal(await pruneAudit(database.system, 30, 1_000), 0)
  // A year passes.
  await database.owner('alter table audit_log disable trigger user')
  await database.owner(`update audit_log set at = at - interval '1 year' where organization_id = $1 and seq <= $2`, [one.id, rows.length - 10])
  await database.owner(`do $$ declare e audit_log; h bytea := sha256(''); begin
    for e in select * from audit_log where organization_id = '${one.id}' order by seq loop
      h := audit_hash(h, e.seq, e.id, e.organization_id, e.actor_id, e.action, e.entity_type, e.entity_id, e.details, e.request_id, e.at);
      update audit_log set hash = h where id = e.id;
    end loop;
    update audit_heads set hash = h where tenant = '${one.id}'; end $$`)
  await database.owner('alter table audit_log enable trigger user')
  assert.deepEqual(await breaks(), [])
  assert.equal(await pruneAudit(database.system, 90, 7), 7)
  assert.deepEqual(await breaks(), [])
  assert.equal(await pruneAudit(database.system, 90, 1_000), rows.length - 17)
  const report = (await verifyAudit(database.system)).find(({ organization_id }) => organization_id === one.id)!
  assert.deepEqual([report.broken, report.rows, report.pruned_through], [null, 12, rows.length - 10])
  assert.equal(await pruneAudit(database.system, 90, 1_000), 0)
  await write(one.id, 5)
  assert.deepEqual(await breaks(), [])
  const [broken] = await tampered([`delete from audit_log where organization_id = '${one.id}' and seq <= ${rows.length - 8}`])
  assert.equal(broken?.fault, 'missing')
})

test('the older rows of a database that had no chain yet begin it', async () => {
  const old = await testDatabase({ empty: true })
  await migrate(old.ownerUrl, 'up', { to: '20260213000402_ticket_search' })
  await old.owner(`insert into organizations (slug, name) values ('a', 'a'), ('b', 'b')`)
  await old.owner(
    `insert into audit_log (organization_id, action, entity_type, entity_id) select id, 'a.b', 'a', n::text from generate_series(1, 20) n cross join organizations`,
  )
  await migrate(old.ownerUrl, 'up')
  const reports = await verifyAudit(old.system)
  assert.deepEqual(
    reports.map(({ slug, rows, broken }) => [slug, rows, broken]),
    [
      ['a', 20, null],
      ['b', 20, null],
    ],
  )
})
