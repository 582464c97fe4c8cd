import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { seedRows, subjectOf } from '../../src/cli/seed-rows.ts'
import { testDatabase, until } from '../support/database.ts'
import { run, start } from './program.ts'

const database = await testDatabase()
const directory = await mkdtemp(join(tmpdir(), 'atum-desk-seed-'))
const here = { DATABASE_URL: database.ownerUrl, ATUM_DATA_DIR: directory, LOG_LEVEL: 'error', PORT: '0' }
const file = join(directory, 'tickets.csv')
const ROWS = 40
await writeFile(
  file,
  `text,label\n${Array.from({ length: ROWS }, (_, index) => `"My ""thing"" ${index} is broken. Please help,\nsoon.",label ${index % 3}`).join('\n')}\n`,
)
const demo = await run(['seed', '--json'], here)
const server = start(['serve', '--json'], here)
after(async () => {
  server.process.kill('SIGTERM')
  await server.ended
  await rm(directory, { recursive: true })
})
await until(() => server.said.stdout.includes('}'), 'the service listens')
const { url } = JSON.parse(server.said.stdout) as { url: string }

const seed = async (...args: string[]) => {
  const { code, stdout, stderr } = await run(['seed', '--url', url, '--json', ...args], here)
  return { code, stderr, counts: (stdout ? JSON.parse(stdout) : {}) as Record<string, number> }
}
const tickets = () => database.owner<{ subject: string; description: string; tags: string[] }>('select subject, description, tags from tickets order by number')

test('seed without a file makes the demo organisation once', async () => {
  assert.equal(demo.code, 0, demo.stderr)
  assert.equal((JSON.parse(demo.stdout) as { made: boolean }).made, true)
  const again = await run(['seed', '--json'], here)
  assert.equal((JSON.parse(again.stdout) as { made: boolean }).made, false)
})

test('rows become tickets once, however often the file is seeded', async () => {
  const before = (await tickets()).length
  const first = await seed('--from', file, '--limit', '10')
  assert.deepEqual([first.code, first.counts['created'], first.counts['failed']], [0, 10, 0], first.stderr)
  const all = await seed('--from', file)
  assert.deepEqual([all.code, all.counts['created'], all.counts['already_there']], [0, ROWS - 10, 10], all.stderr)
  const made = (await tickets()).slice(before)
  assert.equal(made.length, ROWS)
  const [one] = made.toSorted((a, b) => a.subject.localeCompare(b.subject))
  assert.deepEqual(one, { subject: 'My "thing" 0 is broken.', description: 'My "thing" 0 is broken. Please help,\nsoon.', tags: [] })
})

test('a state file spares the service the rows that are there, and a gzip file is read as it is', async () => {
  const zipped = join(directory, 'more.csv.gz')
  await writeFile(zipped, gzipSync('text,label\nThe first one is tagged.,billing\n,empty\n'))
  const state = join(directory, 'state.json')
  const { code, counts } = await seed('--from', zipped, '--label-as-tag', '--state', state)
  assert.deepEqual([code, counts['created'], counts['failed']], [1, 1, 1])
  assert.deepEqual((await tickets()).at(-1)?.tags, ['billing'])
  assert.equal((JSON.parse(await readFile(state, 'utf8')) as { done_through: number }).done_through, 1)
  assert.equal((await seed('--from', zipped, '--label-as-tag', '--state', state)).counts['already_there'], 1)
})

test('a wrong password, a missing file and a file without texts are refused in words', async () => {
  const wrong = await seed('--from', file, '--email', 'nobody@example.com', '--password', 'wrong-password')
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /refused the sign-in/)
  assert.match((await seed('--from', '/nowhere.csv')).stderr, /no file/)
  const other = join(directory, 'other.csv')
  await writeFile(other, 'body\nx\n')
  await assert.rejects(Array.fromAsync(seedRows(other)), /no column "text"; it has: body/)
})

test('a subject is the first sentence, cut between words', () => {
  assert.equal(subjectOf('It broke. Why?'), 'It broke.')
  assert.equal(subjectOf('one line\nanother'), 'one line')
  const long = subjectOf('word '.repeat(100))
  assert.ok(long.length <= 121 && long.endsWith('word…'))
  assert.equal(subjectOf('x'.repeat(500)).length, 121)
})
