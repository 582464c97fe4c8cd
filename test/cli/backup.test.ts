import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readConfig } from '#config.ts'
import { insertAttachment } from '#db/attachments.ts'
import { allowServiceLogins, serviceUrls } from '#db/logins.ts'
import { migrate } from '#db/migrations.ts'
import { inOrganization, openDatabase } from '#db/pool.ts'
import { AttachmentFiles } from '#files/attachment-files.ts'
import { buildServer } from '#http/server.ts'
import { createLogger } from '#log.ts'
import { connectOwner, testDatabase, until } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { debianBinaries, once, startDebianPostgres } from '../support/debian-postgres.ts'
import { enqueueProbes, testWorker } from '../support/engine.ts'
import { createOrganization, PASSWORD } from '../support/people.ts'
import { clientOf, SECRET, testServer } from '../support/server.ts'
import { runTool, without } from '../support/tools.ts'
import { LAUNCHER, run } from './program.ts'

const directory = await mkdtemp(join(tmpdir(), 'atum-desk-backup-'))
after(() => rm(directory, { recursive: true }))
const at = (name: string) => join(directory, name)

const desk = await testDatabase()
const ATUM_DATA_DIR = at('data')
const here = { DATABASE_URL: desk.ownerUrl, ATUM_DATA_DIR }
const { email, storageKey } = await fill(desk)

/** A desk with a bit of everything: text that is hard to write down, jobs in every kind of state, a file, old days of the log. */
async function fill(database: TestDatabase): Promise<{ email: string; storageKey: string }> {
  const app = await buildServer({ config: readConfig({}), database, secret: SECRET, log: createLogger('silent', 'test') })
  const organization = await createOrganization(database)
  const admin = await clientOf(app, database, 'admin', organization)
  for (const subject of ['Tab\tand newline\n in it', 'Back\\slash \\N \\.', 'Ünïcödé 🖨️ "quoted", \'twice\'']) {
    const { status } = await admin.post('/tickets', { subject, description: `${subject} and more` })
    assert.equal(status, 201)
  }
  const { body } = await admin.get('/tickets')
  const ticket = (body as { items: { id: string }[] }).items[0]!.id
  await admin.post(`/tickets/${ticket}/comments`, { body: 'Have you tried turning it off and on again?' })
  // It writes in the background as well; what is compared later must stand still.
  await app.close()
  await enqueueProbes(database, 20, { marker: 'kept' })
  await enqueueProbes(database, 3, { permanent: true, fail_times: 1 })
  const worker = await testWorker(database)
  await until(async () => (await database.owner(`select from job_queue where status in ('queued', 'claimed', 'running')`)).length === 0, 'jobs have run')
  await worker.drain()
  await enqueueProbes(database, 5)
  await database.owner(`create table job_events_20200101 partition of job_events for values from ('2020-01-01 00:00:00+00') to ('2020-01-02 00:00:00+00')`)
  await database.owner('alter table job_events_20200101 enable row level security')
  const stored = await new AttachmentFiles(join(ATUM_DATA_DIR, 'attachments')).save(organization.id, Readable.from([randomBytes(100_000)]))
  await inOrganization(database.app, organization.id, (tx) =>
    insertAttachment(tx, { ...stored, ticket_id: ticket, comment_id: null, filename: 'log.txt', uploaded_by: admin.user.id }),
  )
  return { email: admin.user.email, storageKey: stored.storage_key }
}

/** Every row of every table, as text, in an order, and what guards them. PostgreSQL prints a reread condition with fewer brackets. */
async function contents(query: TestDatabase['owner']): Promise<Record<string, unknown>> {
  const tables = await query<{ name: string }>(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> 'schema_migrations' order by 1`,
  )
  const all: Record<string, unknown> = {}
  for (const { name } of tables) all[name] = await query(`select row_of::text as row from "${name}" as row_of order by 1`)
  all['sequences'] = await query(`select sequencename, last_value from pg_sequences where schemaname = 'public' order by 1`)
  all['constraints'] = await query(
    `select conrelid::regclass::text, conname, translate(pg_get_constraintdef(oid), '()', '') as definition, convalidated from pg_constraint where connamespace = 'public'::regnamespace order by 1, 2`,
  )
  all['triggers'] = await query(`select tgrelid::regclass::text, tgname, tgenabled from pg_trigger where not tgisinternal order by 1, 2`)
  all['guarded'] = await query(`select relname from pg_class where relrowsecurity order by 1`)
  return all
}

let folder = ''

test('a backup is one folder that sha256sum finds whole, and nobody else may read', async () => {
  const { code, stdout, stderr } = await run(['backup', at('kept'), '--method', 'copy', '--json'], here)
  assert.equal(code, 0, stderr)
  const facts = JSON.parse(stdout) as { folder: string; rows: number; attachments: number; method: string }
  folder = facts.folder
  assert.deepEqual([facts.method, facts.attachments], ['copy', 1])
  assert.ok(facts.rows > 50)
  assert.deepEqual(await readdir(at('kept')), [folder.split('/').at(-1)])
  assert.equal((await stat(folder)).mode & 0o777, 0o700)
  const { status, said } = runTool('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: folder })
  assert.equal(status, 0, said)
})

test('restored into an empty database, every row of every table is what it was, and the desk goes on', async () => {
  const restored = await testDatabase({ empty: true })
  const there = { DATABASE_URL: restored.ownerUrl, ATUM_DATA_DIR: at('data-2') }
  // The parent names the newest backup.
  const { code, stderr } = await run(['restore', at('kept')], there)
  assert.equal(code, 0, stderr)
  assert.deepEqual(await contents(restored.owner), await contents(desk.owner))
  assert.deepEqual(await readFile(join(at('data-2'), 'attachments', storageKey)), await readFile(join(ATUM_DATA_DIR, 'attachments', storageKey)))
  assert.deepEqual(await restored.owner('select * from job_log_violations'), [])

  const app = await testServer(restored)
  const login = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password: PASSWORD } })
  assert.equal(login.statusCode, 200, 'the old password signs in')
  const before = await restored.owner<{ max: string }>('select max(id) from job_queue')
  const [id] = await enqueueProbes(restored, 1)
  assert.ok(id! > Number(before[0]!.max), 'numbers go on where they were')
  const worker = await testWorker(restored)
  await until(async () => (await restored.owner(`select from job_queue where status = 'queued'`)).length === 0, 'what waited runs')
  await worker.drain()
})

test('a role that is no superuser restores as well', async () => {
  const target = await testDatabase({ empty: true })
  const url = new URL(target.ownerUrl)
  const name = url.pathname.slice(1)
  await target.owner(`create role plain_owner login createrole password 'plain'`)
  after(() => target.owner('drop owned by plain_owner cascade; drop role plain_owner').catch(() => {}))
  await target.owner(`alter database ${name} owner to plain_owner`)
  ;[url.username, url.password] = ['plain_owner', 'plain']
  const { code, stderr } = await run(['restore', folder], { DATABASE_URL: url.href, ATUM_DATA_DIR: at('data-3') })
  // The tests share one cluster, whose service roles belong to another owner; that refusal comes after the data.
  assert.equal(code, 1)
  assert.match(stderr, /may not change the role atum_/)
  assert.deepEqual(await contents(target.owner), await contents(desk.owner))
})

test('a database that is not empty is left as it is', async () => {
  const other = await testDatabase()
  const before = await contents(other.owner)
  const { code, stderr } = await run(['restore', folder], { DATABASE_URL: other.ownerUrl, ATUM_DATA_DIR: at('data-4') })
  assert.equal(code, 1)
  assert.match(stderr, /not empty/)
  assert.deepEqual(await contents(other.owner), before)
})

for (const [damage, harm, words] of [
  ['a flipped bit', async (path: string) => flip(join(path, 'tables/tickets.copy.gz')), /tickets\.copy\.gz is damaged/],
  ['a file cut short', async (path: string) => truncate(join(path, 'tables/users.copy.gz'), 20), /users\.copy\.gz is damaged/],
  ['a missing file', async (path: string) => rm(join(path, 'tables/comments.copy.gz')), /comments\.copy\.gz is missing/],
  ['a file too many', async (path: string) => writeFile(join(path, 'tables/more.copy.gz'), ''), /more\.copy\.gz does not belong/],
  ['a damaged attachment', async (path: string) => flip(join(path, 'attachments', storageKey)), /is damaged/],
  ['missing sums', async (path: string) => rm(join(path, 'SHA256SUMS')), /no whole backup/],
] as const) {
  test(`${damage} is found before a database is touched`, async () => {
    const path = at(damage.replaceAll(' ', '-'))
    runTool('cp', ['-a', folder, path])
    assert.equal((await run(['restore', path, '--check'], {})).code, 0)
    await harm(path)
    const checked = await run(['restore', path, '--check'], {})
    assert.equal(checked.code, 1)
    assert.match(checked.stderr, words)
    const target = await testDatabase({ empty: true })
    assert.equal((await run(['restore', path], { DATABASE_URL: target.ownerUrl, ATUM_DATA_DIR: at('data-5') })).code, 1)
    assert.deepEqual(await target.owner(`select from pg_class where relnamespace = 'public'::regnamespace`), [])
  })
}

test('a backup that cannot be whole fails, and leaves nothing behind', async () => {
  const noDatabase = await run(['backup', at('none')], { DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c', ATUM_DATA_DIR })
  assert.equal(noDatabase.code, 1)
  const empty = await testDatabase({ empty: true })
  const nothing = await run(['backup', at('none')], { DATABASE_URL: empty.ownerUrl, ATUM_DATA_DIR })
  assert.equal(nothing.code, 1)
  assert.match(nothing.stderr, /nothing to back up/)
  const noFiles = await run(['backup', at('none')], { DATABASE_URL: desk.ownerUrl, ATUM_DATA_DIR: at('nowhere') })
  assert.equal(noFiles.code, 1)
  assert.match(noFiles.stderr, /Attachments are missing/)
  assert.deepEqual(await readdir(at('none')).catch(() => []), [])
  const nowhere = await run(['backup', '/dev/null/x'], here)
  assert.equal(nowhere.code, 1)
})

for (const [what, folder, words] of [
  ['in which no folder can be made', '/proc/backups', /Nothing was kept in \/proc\/backups: ENOENT.+Name a folder/],
  ['that is a file', fileURLToPath(import.meta.url), /Nothing was kept in .+: ENOTDIR.+Name a folder/],
  ['below a device', '/dev/null/backups', /Nothing was kept in \/dev\/null\/backups: ENOTDIR.+Name a folder/],
] as const) {
  test(`a place ${what} is refused at once, with what to do`, async () => {
    const { code, stderr } = await run(['backup', folder], here)
    assert.equal(code, 1)
    assert.match(stderr, words)
    assert.doesNotMatch(stderr, /\n +at /, 'no stack')
  })
}

test(
  'what root keeps belongs to whoever owns the place, so that the service can remove it later',
  { skip: process.getuid?.() !== 0 && 'not root' },
  async () => {
    const nobody = 65_534
    await mkdir(at('owned'))
    await chown(at('owned'), nobody, nobody)
    const { code, stdout, stderr } = await run(['backup', at('owned'), '--method', 'copy', '--json'], here)
    assert.equal(code, 0, stderr)
    const { folder: made } = JSON.parse(stdout) as { folder: string }
    const entries = await readdir(made, { recursive: true })
    assert.ok(entries.includes(join('attachments', storageKey)))
    for (const entry of ['', ...entries]) assert.equal((await stat(join(made, entry))).uid, nobody, entry)
  },
)

/** Runs the program where `folder` has a disk of its own that is too small. */
function runOnSmallDisk(args: readonly string[], folder: string) {
  const command = 'mount -t tmpfs -o size=40k tmpfs "$0" && "$@"; code=$?; ls -A "$0"; exit $code'
  return runTool('unshare', ['--mount', 'sh', '-c', command, folder, process.execPath, LAUNCHER, ...args], { env: { ...process.env, ...here } })
}
const noMounts = without('unshare') || (runTool('unshare', ['--mount', 'true']).status !== 0 && 'this account may not mount')

test('a disk that is full ends the backup with what to do, and nothing is left on it', { skip: noMounts }, async () => {
  await mkdir(at('small'))
  const { status, stdout, stderr } = runOnSmallDisk(['backup', at('small'), '--method', 'copy', '--json'], at('small'))
  assert.equal(status, 1, stderr)
  assert.match(stderr, /Nothing was kept in .+: ENOSPC.+on a disk with room for it/)
  assert.equal(stdout.trim(), '', 'nothing is left')
})

test('what is no backup of this program is refused with words, whatever it is', async () => {
  const foreign = at('foreign')
  await mkdir(foreign)
  const target = await testDatabase({ empty: true })
  const sums = () => writeFile(join(foreign, 'SHA256SUMS'), runTool('sha256sum', ['manifest.json'], { cwd: foreign }).stdout)
  const refused = async (words: RegExp) => {
    const { code, stderr } = await run(['restore', foreign], { DATABASE_URL: target.ownerUrl, ATUM_DATA_DIR: at('data-7') })
    assert.equal(code, 1)
    assert.match(stderr, words)
    assert.doesNotMatch(stderr, /\n +at /, 'no stack')
  }
  await refused(/is no backup, and has none in it/)
  await writeFile(join(foreign, 'manifest.json'), 'no JSON')
  await refused(/is no whole backup/)
  await writeFile(join(foreign, 'SHA256SUMS'), randomBytes(1_000))
  await refused(/is no list of checksums/)
  await sums()
  await refused(/is not one that this version reads/)
  await writeFile(join(foreign, 'manifest.json'), '{"format":2}')
  await sums()
  await refused(/is not one that this version reads/)
})

test('attachments that find no place are told of, with where they are to be copied from', async () => {
  const { stdout } = await run(['backup', at('for-no-place'), '--method', 'copy', '--json'], here)
  const target = await testDatabase({ empty: true })
  const there = { DATABASE_URL: target.ownerUrl, ATUM_DATA_DIR: at('data-8'), ATTACHMENTS_DIR: '/proc/attachments' }
  const { code, stderr } = await run(['restore', at('for-no-place')], there)
  assert.equal(code, 1)
  assert.match(stderr, /The database is restored, its attachments are not: ENOENT.+then copy there what is in /)
  assert.ok(stderr.includes(join((JSON.parse(stdout) as { folder: string }).folder, 'attachments')))
  assert.deepEqual(await contents(target.owner), await contents(desk.owner))
})

test('old backups go when enough new ones are there', async () => {
  for (const left of [2, 2]) {
    const { code, stderr } = await run(['backup', at('kept'), '--method', 'copy', '--keep', '2'], here)
    assert.equal(code, 0, stderr)
    assert.equal((await readdir(at('kept'))).length, left)
  }
  assert.ok(!(await readdir(at('kept'))).includes(folder.split('/').at(-1)!))
})

const debian = debianBinaries()

test(
  'where the pg_dump of the server is there, it is used, and what it wrote is compared as well',
  { skip: !debian && 'no PostgreSQL of the distribution' },
  async () => {
    const url = await startDebianPostgres(debian!)
    await migrate(url, 'up')
    await allowServiceLogins(url)
    const database = await openDatabase(serviceUrls(url), { size: 4, name: 'test' })
    const owner = connectOwner(url)
    const app = await buildServer({ config: readConfig({}), database, secret: SECRET, log: createLogger('silent', 'test') })
    try {
      const admin = await clientOf(app, database, 'admin', await createOrganization(database))
      await admin.post('/tickets', { subject: 'The printer is on fire', description: 'It burns.' })
      await app.close()
      const { code, stdout, stderr } = await run(['backup', at('dumped'), '--json'], { DATABASE_URL: url, ATUM_DATA_DIR })
      assert.equal(code, 0, stderr)
      assert.equal((JSON.parse(stdout) as { method: string }).method, 'pg_dump')
      await once(url, 'create database restored')
      const target = url.replace(/desk$/, 'restored')
      const restored = await run(['restore', at('dumped')], { DATABASE_URL: target, ATUM_DATA_DIR: at('data-6') })
      assert.equal(restored.code, 0, restored.stderr)
      const there = connectOwner(target)
      assert.deepEqual(await contents(there.query), await contents(owner.query))
      await there.end()
    } finally {
      await app.close()
      await database.end()
      await owner.end()
    }
  },
)

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  await writeFile(path, bytes)
}
