import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import pg from 'pg'
import { knownMigrations, scriptsOf } from '#db/migration-files.ts'
import { planMigrations } from '#db/migration-plan.ts'
import { migrate, migrationStates } from '#db/migrations.ts'
import { testDatabase, until } from '../support/database.ts'

/** Beyond the lock's time-out: what a loaded machine takes to answer a count. */
const ANSWER_MS = 20_000

async function transactionOf(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  after(() => client.end().catch(() => {}))
  await client.query('begin')
  return client
}

test('a migration that waits for a long transaction lets others pass, and goes on when it has ended', async () => {
  const database = await testDatabase()
  await migrate(database.ownerUrl, 'down', { to: 'rag_graph' })
  const reader = await transactionOf(database.ownerUrl)
  await reader.query('select count(*) from tickets')

  const said: string[] = []
  let over = false
  const migrating = migrate(database.ownerUrl, 'up', { to: 'job_queue_ai', lockTimeoutMs: 500, log: (line) => said.push(line) }).finally(() => (over = true))
  const longest = { ms: 0 }
  await until(async () => {
    const began = performance.now()
    await database.owner('select count(*) from tickets')
    longest.ms = Math.max(longest.ms, performance.now() - began)
    return said.filter((line) => line.includes('tried again')).length >= 2
  }, 'it has given way twice')
  assert.ok(!over)
  assert.ok(longest.ms < 500 + ANSWER_MS, `somebody waited ${longest.ms} ms`)
  await reader.query('commit')
  assert.deepEqual(await migrating, ['20260213000000_job_queue_ai'])
})

test('an index is built while others write, and a build that broke off is repeated', async () => {
  const database = await testDatabase()
  const folder = await mkdtemp(join(tmpdir(), 'atum-desk-migrations-'))
  after(() => rm(folder, { recursive: true }))
  for (const name of await knownMigrations()) await writeFile(join(folder, `${name}.sql`), '-- Up Migration\n-- Down Migration\n')
  const name = '29990101000000_concurrent'
  await writeFile(
    join(folder, `${name}.sql`),
    `-- Up Migration
-- Without transaction
drop index concurrently if exists tickets_subject_idx;
create unique index concurrently tickets_subject_idx on tickets (subject);
-- Down Migration
-- Without transaction
drop index concurrently if exists tickets_subject_idx;
`,
  )
  const [{ id } = { id: '' }] = await database.owner<{ id: string }>(`insert into organizations (slug, name) values ('acme', 'Acme') returning id`)
  const user = `(select id from users limit 1)`
  await database.owner(`insert into users (organization_id, email, password_hash, full_name, role) values ('${id}', 'a@b.c', 'x', 'A', 'customer_user')`)
  const ticket = (number: number) =>
    `insert into tickets (organization_id, number, subject, description, requester_id) values ('${id}', ${number}, 'twice', 'x', ${user})`
  await database.owner(ticket(1))
  await database.owner(ticket(2))

  assert.deepEqual(await planMigrations(database.ownerUrl, 'up', { folder }), [
    {
      name,
      transaction: false,
      touches: [{ table: 'tickets', statement: 'create unique index concurrently', blocks: 'nothing', rows: 0, bytes: await sizeOf() }],
    },
  ])
  await assert.rejects(migrate(database.ownerUrl, 'up', { folder }), /^MigrationFailedError: The migration \d+_\w+ failed: could not create unique index/)
  assert.equal((await migrationStates(database.ownerUrl, folder)).at(-1)!.applied_at, null)
  await database.owner(`delete from tickets where number = 2`)

  const writer = await transactionOf(database.ownerUrl)
  await writer.query(`update tickets set description = 'y'`)
  const migrating = migrate(database.ownerUrl, 'up', { folder, lockTimeoutMs: 100 })
  await until(
    async () =>
      (
        await database.owner(
          `select from pg_stat_activity where datname = current_database() and query ~ '^(drop|create).* concurrently' and wait_event_type = 'Lock'`,
        )
      ).length > 0,
    'the build waits for the writer',
  )
  await database.owner(`update tickets set priority = 'high' where number = 99`)
  await database.owner(ticket(3).replace('twice', 'once'))
  await writer.query('commit')
  assert.deepEqual(await migrating, [name])
  assert.deepEqual(await database.owner(`select indisvalid from pg_index where indexrelid = 'tickets_subject_idx'::regclass`), [{ indisvalid: true }])
  assert.deepEqual(await migrate(database.ownerUrl, 'down', { folder }), [name])
  assert.deepEqual(await database.owner(`select from pg_class where relname = 'tickets_subject_idx'`), [])

  async function sizeOf(): Promise<number> {
    const [row] = await database.owner<{ bytes: string }>(`select pg_total_relation_size('tickets') as bytes`)
    return Number(row!.bytes)
  }
})

test('the plan names what is missing, and which of the present tables it holds up', async () => {
  const database = await testDatabase()
  assert.deepEqual(await planMigrations(database.ownerUrl, 'up'), [])
  await migrate(database.ownerUrl, 'down', { to: 'rag_graph' })
  const plan = await planMigrations(database.ownerUrl, 'up', { to: 'job_queue_ai' })
  assert.deepEqual(
    plan.map(({ name, transaction }) => ({ name, transaction })),
    [{ name: '20260213000000_job_queue_ai', transaction: true }],
  )
  assert.ok(plan[0]!.touches.some(({ table, statement, blocks }) => table === 'tickets' && statement === 'alter table' && blocks === 'reads and writes'))
  assert.ok(!plan[0]!.touches.some(({ table }) => table === 'job_queue'), 'a table that is not there yet holds nobody up')
})

test('every migration has both directions, and what is built concurrently bears being repeated', async () => {
  const folder = new URL('../../migrations/', import.meta.url)
  for (const name of await knownMigrations()) {
    for (const { text, statements } of Object.values(scriptsOf(await readFile(new URL(`${name}.sql`, folder), 'utf8')))) {
      if (statements === null) assert.doesNotMatch(text, /^\s*(create|drop)[^;]*concurrently/im, `${name} builds concurrently in a transaction`)
      else
        for (const statement of statements)
          if (/^create/i.test(statement)) assert.match(text, /drop index concurrently if exists/i, `${name} cannot be repeated`)
    }
  }
})
