import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createProgram } from '../../src/cli/program.ts'
import { testDatabase, until } from '../support/database.ts'
import { run, start } from './program.ts'

const database = await testDatabase()
const ATUM_DATA_DIR = await mkdtemp(join(tmpdir(), 'atum-desk-commands-'))
after(() => rm(ATUM_DATA_DIR, { recursive: true }))
/** Whatever else runs on this machine has the usual port. */
const here = { DATABASE_URL: database.ownerUrl, ATUM_DATA_DIR, PORT: '1' }

async function json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await run([...args, '--json'], here)
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as T
}

test('every command explains itself with examples, and has --json', async () => {
  const program = createProgram()
  const leaves = ({ commands }: Pick<typeof program, 'commands'>): string[][] =>
    commands.flatMap((command) => (command.commands.length > 0 ? leaves(command) : [[]]).map((rest) => [command.name(), ...rest]))
  const all = leaves(program)
  const [up, ...others] = all
  const asked = await run([...up!, '--help'])
  assert.equal(asked.code, 0)
  assert.match(asked.stdout, /Examples:/)
  for (const path of others) {
    const command = path.reduce((parent, name) => parent.commands.find((child) => child.name() === name)!, program)
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp()
    assert.match(help, /Examples:\n {2}\$ (.* )?atum-desk /, path.join(' '))
    assert.match(help, /--json/, path.join(' '))
  }
})

test('an unknown command or option ends with an exit code and words on standard error', async () => {
  const activate = ['ai', 'models', 'activate', '--organization', 'o', '--version', '1']
  for (const args of [['fly'], activate, ['jobs', 'list', '--colour'], ['jobs', 'show', 'x'], ['jobs', 'list', '--limit', '0']]) {
    const refused = await run(args, here)
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /error:/)
  }
})

test('bench names its suites, hands their options on, and ends as they do', async () => {
  const list = await run(['bench', 'list'], here)
  assert.equal(list.code, 0, list.stderr)
  assert.match(list.stdout, /drain .*\n[^]*--peers/)
  const unknown = await run(['bench', 'drain', '--peers', 'nobody'], here)
  assert.notEqual(unknown.code, 0)
  assert.match(unknown.stderr, /There is no peer nobody/)
})

test('migrations go down to a name, and up again', async () => {
  const own = await testDatabase()
  const there = { DATABASE_URL: own.ownerUrl, ATUM_DATA_DIR }
  const down = await run(['migrate', 'down', '--to', 'rag_graph', '--json'], there)
  assert.equal(down.code, 0, down.stderr)
  const undone = (JSON.parse(down.stdout) as { migrations: string[] }).migrations
  assert.ok(undone.includes('20260213000000_job_queue_ai'))
  assert.match((await run(['migrate', 'status'], there)).stdout, /rag_graph +\d{4}-[^]*job_queue_ai +not applied/)
  const up = await run(['migrate', 'up', '--json'], there)
  assert.equal(up.code, 0, up.stderr)
  assert.deepEqual((JSON.parse(up.stdout) as { migrations: string[] }).migrations.toSorted(), undone.toSorted())
  const unknown = await run(['migrate', 'down', '--to', 'nowhere'], there)
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /No migration is called "nowhere"/)
})

test('a job is enqueued, seen, cancelled and queued again; each is audited', async () => {
  const { ids } = await json<{ ids: number[] }>('jobs', 'enqueue', 'PROBE', '--payload', '{"marker":"m"}', '--count', '3')
  assert.equal(ids.length, 3)
  const listed = await json<{ items: { id: number }[] }>('jobs', 'list', '--type', 'PROBE', '--status', 'queued')
  assert.deepEqual(new Set(listed.items.map((job) => job.id)), new Set(ids))
  assert.equal((await json('jobs', 'cancel', String(ids[0])))['status'], 'cancelled')
  const refused = await run(['jobs', 'cancel', String(ids[0])], here)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /Possible: REQUEUE/)
  assert.equal((await json('jobs', 'retry', String(ids[0])))['status'], 'queued')
  const shown = await json<{ events: { event: string }[]; allowed_events: string[]; waiting_because: { reason: string }[] }>('jobs', 'show', String(ids[0]))
  assert.ok(shown.waiting_because.some(({ reason }) => reason === 'no_worker'))
  assert.deepEqual(
    shown.events.map((event) => event.event),
    ['ENQUEUE', 'CANCEL', 'REQUEUE'],
  )
  const audited = await database.owner(`select action from audit_log where entity_type = 'job' order by id`)
  assert.deepEqual(
    audited.map((row) => row['action']),
    ['job.enqueue', 'job.cancel', 'job.retry'],
  )
  assert.deepEqual(await database.owner('select * from job_log_violations'), [])
})

test('what cannot be enqueued is refused in words', async () => {
  for (const [args, words] of [
    [['NOPE'], /no job type NOPE.*PROBE/],
    [['PROBE', '--payload', '{'], /not JSON/],
    [['PROBE', '--payload', '{"sleep_ms":-1}'], /sleep_ms/],
    [['PROBE', '--organization', 'nobody'], /none with the slug "nobody"/],
    [['PROBE', '--unique-key', 'k'.repeat(201)], /1 to 200 characters/],
    [['PROBE', '--unique-key', 'k', '--count', '2'], /--count: must be 1 with --unique-key/],
    [['PROBE', '--delay-ms', '31622400001'], /from 0 to 31622400000/],
    [['SEND_EMAIL', '--payload', JSON.stringify({ to: 'a@b.test', subject: 's', text: '\u0000'.repeat(12_000) })], /--payload: must have at most 65536 bytes/],
  ] as const) {
    const refused = await run(['jobs', 'enqueue', ...args], here)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, words)
  }
})

test('a key that another job has is no success: the job that has it is named', async () => {
  const { ids } = await json<{ ids: number[] }>('jobs', 'enqueue', 'PROBE', '--unique-key', 'only one', '--delay-ms', '60000')
  const jobs = async () => (await database.owner(`select from job_queue where unique_key = 'only one'`)).length
  const refused = await run(['jobs', 'enqueue', 'PROBE', '--unique-key', 'only one', '--json'], here)
  assert.deepEqual([refused.code, refused.stdout, await jobs()], [1, '', 1])
  assert.match(refused.stderr, new RegExp(`Job ${ids[0]} has this key`))
})

test('a queue is paused and resumed', async () => {
  await database.owner(`insert into queues (name, concurrency) values ('default', 5) on conflict do nothing`)
  await json('queues', 'pause', 'default')
  const paused = await json<{ items: { name: string; paused: boolean }[] }>('queues', 'list')
  assert.equal(paused.items.find((queue) => queue.name === 'default')?.paused, true)
  assert.equal((await json('queues', 'resume', 'default'))['paused'], false)
  assert.equal((await run(['queues', 'pause', 'nowhere'], here)).code, 1)
})

test('an account is made once, with a password that nobody has to think up', async () => {
  await database.owner(`insert into organizations (slug, name) values ('acme', 'Acme')`)
  const made = await json('admin', 'create', '--email', 'Ada@Example.com', '--organization', 'acme')
  assert.equal(made['email'], 'ada@example.com')
  assert.match(String(made['password']), /^[\w-]{20}$/)
  const again = await run(['admin', 'create', '--email', 'ada@example.com', '--organization', 'acme'], here)
  assert.equal(again.code, 1)
  assert.match(again.stderr, /already/)
  assert.equal((await json('admin', 'create', '--email', 'op@example.com', '--role', 'operator'))['organization'], null)
})

test('doctor finds what is wrong, and says so in its exit code', async () => {
  // Nothing listens at port 1, whatever else runs on this machine.
  const { code, stdout } = await run(['doctor', '--json'], { ...here, PORT: '1' })
  const { findings } = JSON.parse(stdout) as { findings: { check: string; ok: boolean }[] }
  assert.equal(code, 1)
  assert.deepEqual(
    findings.filter((finding) => !finding.ok).map((finding) => finding.check),
    ['workers', 'api'],
  )
  await database.owner('alter table tickets disable row level security')
  assert.match((await run(['doctor'], here)).stdout, /WRONG +row_level_security: off for tickets/)
  await database.owner('alter table tickets enable row level security')
  const away = await run(['doctor'], { ...here, DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c' })
  assert.equal(away.code, 1)
  assert.match(away.stdout, /WRONG +database: The database cannot be reached/)
})

test('a worker that is started before its database waits for it, and ends when it is asked to', async () => {
  const worker = start(['work'], { ...here, DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c' })
  await until(() => worker.said.stderr.includes('waiting for it'), 'it waits')
  worker.process.kill('SIGTERM')
  assert.equal((await worker.ended).code, 0)
})

test('a role that may not make roles is told what it lacks', async () => {
  const empty = await testDatabase({ empty: true })
  const name = `plain_${process.pid}`
  await empty.owner(`create role ${name} login password 'x'`)
  after(() => database.owner(`drop role if exists ${name}`))
  const url = new URL(empty.ownerUrl)
  url.username = name
  url.password = 'x'
  const refused = await run(['migrate', 'up'], { ...here, DATABASE_URL: url.href })
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /may not create tables[^]*alter database/)
})

test('a lost second factor is removed at the command line, with a note in the audit; a weak password makes no account', async () => {
  const email = 'factor@example.com'
  const made = await json<{ id: string }>('admin', 'create', '--email', email, '--role', 'operator')
  await database.owner("insert into two_factors (user_id, sealed_secret, confirmed_at) values ($1, '\\x00', now())", [made.id])
  assert.equal((await json<{ id: string }>('admin', 'reset-2fa', '--email', email)).id, made.id)
  assert.equal((await database.owner('select from two_factors where user_id = $1', [made.id])).length, 0)
  assert.equal((await database.owner("select from audit_log where action = 'two_factor.reset' and entity_id = $1", [made.id])).length, 1)
  assert.match((await run(['admin', 'reset-2fa', '--email', email], here)).stderr, /has no second factor/)
  assert.match((await run(['admin', 'reset-2fa', '--email', 'nobody@example.com'], here)).stderr, /no account/)
})

test('the mailbox is read at the command line', async () => {
  await database.owner(
    "insert into outgoing_mail (job_id, recipient, subject, body, status, message_id) values (-1, 'kim@example.com', 'Hello', 'Words', 'kept', '<1@x>')",
  )
  const { items } = await json<{ items: { subject: string }[] }>('mailbox', '--to', 'Kim@example.com')
  assert.deepEqual(
    items.map(({ subject }) => subject),
    ['Hello'],
  )
  assert.match((await run(['mailbox'], here)).stdout, /kim@example\.com[\s\S]*Words/)
})
