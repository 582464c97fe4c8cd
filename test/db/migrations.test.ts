import assert from 'node:assert/strict'
import { test } from 'node:test'
import { knownMigrations, migrate, migrationStates, UnknownMigrationError } from '#db/migrations.ts'
import { testDatabase } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'

/** The shape of a database: columns, constraints, indexes, functions, triggers, policies, grants. */
async function shapeOf(database: TestDatabase): Promise<string[]> {
  const rows = await database.owner(`
    select 'column ' || table_name || '.' || column_name || ' ' || udt_name || ' ' || is_nullable || ' ' || coalesce(column_default, '') as part
      from information_schema.columns where table_schema = 'public' and table_name !~ '^job_events_\\d'
    union all select 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace and conrelid::regclass::text !~ '^job_events_\\d'
    union all select 'index ' || indexdef from pg_indexes where schemaname = 'public' and tablename !~ '^job_events_\\d'
    union all select 'function ' || oid::regprocedure || ' ' || md5(pg_get_functiondef(oid)) from pg_proc where pronamespace = 'public'::regnamespace
    union all select 'trigger ' || pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union all select 'policy ' || tablename || ' ' || policyname || ' ' || coalesce(qual, '') || ' ' || coalesce(with_check, '') from pg_policies
    union all select 'grant ' || table_name || ' ' || grantee || ' ' || privilege_type from information_schema.role_table_grants
               where table_schema = 'public' and grantee like 'atum_%' and table_name <> 'schema_migrations' and table_name !~ '^job_events_\\d'
    union all select 'type ' || typname || ' ' || (select string_agg(enumlabel, ',' order by enumsortorder) from pg_enum where enumtypid = pg_type.oid) from pg_type
               where typnamespace = 'public'::regnamespace and typtype = 'e'`)
  return rows.map((row) => String(row['part'])).toSorted()
}

test('each migration, taken alone, is undone without a trace and can be done again', async () => {
  const database = await testDatabase({ empty: true })
  const nothing = (await shapeOf(database)).filter((part) => !part.includes('schema_migrations'))
  assert.deepEqual(nothing, [])
  for (const name of await knownMigrations()) {
    const before = await shapeOf(database)
    assert.deepEqual(await migrate(database.ownerUrl, 'up', { to: name }), [name])
    const after = await shapeOf(database)
    assert.notDeepEqual(after, before, `${name} does something`)
    assert.deepEqual(await migrate(database.ownerUrl, 'down'), [name])
    const undone = (parts: string[]): string[] => parts.filter((part) => !part.includes('schema_migrations'))
    assert.deepEqual(undone(await shapeOf(database)), undone(before), `${name} leaves something behind`)
    assert.deepEqual(await migrate(database.ownerUrl, 'up', { to: name }), [name])
    assert.deepEqual(await shapeOf(database), after, `${name} gives the same twice`)
  }
})

test('two starters migrate one empty database: one of them does it, the other waits and finds it done', async () => {
  const database = await testDatabase({ empty: true })
  const ran = await Promise.all([migrate(database.ownerUrl, 'up'), migrate(database.ownerUrl, 'up'), migrate(database.ownerUrl, 'up')])
  assert.deepEqual(ran.flat().toSorted(), await knownMigrations())
})

test('a target is named in full or without its number; an unknown one is refused with the names there are', async () => {
  const database = await testDatabase({ empty: true })
  await migrate(database.ownerUrl, 'up')
  await migrate(database.ownerUrl, 'down', { to: 'rag_graph' })
  const states = await migrationStates(database.ownerUrl)
  assert.deepEqual(
    states.filter((state) => state.applied_at).map((state) => state.name),
    ['20260101000000_baseline', '20260101000100_rag_graph'],
  )
  await assert.rejects(migrate(database.ownerUrl, 'down', { to: 'nowhere' }), UnknownMigrationError)
  assert.deepEqual(await migrate(database.ownerUrl, 'up', { to: 'rag_graph' }), [])
})
