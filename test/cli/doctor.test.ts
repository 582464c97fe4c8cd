import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { testDatabase, until } from '../support/database.ts'
import { testWorker } from '../support/engine.ts'
import { createOrganization, createUser } from '../support/people.ts'
import { run, start } from './program.ts'

const ATUM_DATA_DIR = await mkdtemp(join(tmpdir(), 'atum-desk-doctor-'))
after(() => rm(ATUM_DATA_DIR, { recursive: true }))
const database = await testDatabase()
const here = { DATABASE_URL: database.ownerUrl, ATUM_DATA_DIR, PORT: '1', WORKER_LOST_MS: '60000' }
await createUser(database, 'admin', await createOrganization(database))
await createUser(database, 'operator', null)
await testWorker(database)
const api = start(['serve', '--json'], { ...here, PORT: '0' })
after(() => api.process.kill('SIGKILL'))
await until(() => api.said.stdout.includes('}'), 'the API serves')
const { url } = JSON.parse(api.said.stdout) as { url: string }

/** What the doctor says is wrong, and how it ends. */
async function wrong(...args: string[]): Promise<{ code: number | null; wrong: string[]; details: string }> {
  const { code, stdout } = await run(['doctor', '--json', ...args], here)
  const { findings } = JSON.parse(stdout) as { findings: { check: string; ok: boolean; detail: string }[] }
  const failed = findings.filter(({ ok }) => !ok)
  return { code, wrong: failed.map(({ check }) => check), details: findings.map(({ check, detail }) => `${check}: ${detail}`).join('\n') }
}

test('a sound installation is healthy, and its routes were tried as an admin and as an operator', async () => {
  const found = await wrong('--url', url)
  assert.deepEqual(found.wrong, [], found.details)
  assert.equal(found.code, 0)
  assert.match(found.details, /routes: \d\d+ requests to \d\d+ routes, and none of the requests so far, met a fault$/m)
})

test('an API at another address is found by its connection', async () => {
  const found = await wrong()
  assert.equal(found.code, 0, found.details)
  assert.match(found.details, /api: one is connected/)
})

test('an index that a broken-off build left is found', async () => {
  await database.owner(`update pg_index set indisvalid = false where indexrelid = 'tickets_pkey'::regclass`)
  assert.deepEqual((await wrong()).wrong, ['indexes'])
  await database.owner(`update pg_index set indisvalid = true where indexrelid = 'tickets_pkey'::regclass`)
})

test('a migration that is missing is found', async () => {
  await database.owner(`delete from schema_migrations where id = (select max(id) from schema_migrations)`)
  assert.deepEqual((await wrong()).wrong, ['migrations'])
})

test('a route that answers 500 is found, by its name, also when somebody else met it', async () => {
  await database.owner('revoke select on sla_policies from atum_app')
  const found = await wrong('--url', url)
  assert.equal(found.code, 1)
  assert.ok(found.wrong.includes('routes'), found.details)
  assert.match(found.details, /routes: faults of the service: GET \/api\/v1\/sla\/policies 500/)
  await database.owner('grant select on sla_policies to atum_app')
  assert.match((await wrong('--url', url)).details, /\/api\/v1\/sla\/policies 500 \(\d+ times since the start\)/)
})

test('an API that does not start is found', async () => {
  api.process.kill('SIGTERM')
  await api.ended
  const found = await wrong()
  assert.equal(found.code, 1)
  assert.ok(found.wrong.includes('api'), found.details)
  assert.ok((await wrong('--url', url)).wrong.includes('routes'))
})
