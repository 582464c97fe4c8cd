import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isAlive, LAUNCHER, run, start } from './program.ts'
import { testDatabase, until } from '../support/database.ts'

const home = dirname(dirname(LAUNCHER))
const { version } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as { version: string }
const oldNode = oldNodeOfThisMachine()

function oldNodeOfThisMachine(): string | null {
  for (const node of ['/usr/bin/node', '/usr/local/bin/node']) {
    try {
      if (Number(execFileSync(node, ['-p', 'process.versions.node.split(".")[0]'], { encoding: 'utf8' })) < 26) return node
    } catch {
      // There is none at this place.
    }
  }
  return null
}

test(
  'an older Node hands over to the one that npm installed, with its exit code and signals',
  { skip: !oldNode && 'this machine has no older Node' },
  async () => {
    const asked = await run(['--version'], {}, { node: oldNode! })
    assert.deepEqual([asked.code, asked.stdout.trim()], [0, version])
    assert.equal((await run(['fly'], {}, { node: oldNode! })).code, 1)
  },
)

test('an older Node without the installed one says what to do', { skip: !oldNode && 'this machine has no older Node' }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-launcher-'))
  after(() => rm(directory, { recursive: true }))
  const launcher = join(directory, 'bin', 'atum-desk.mjs')
  await mkdir(dirname(launcher))
  await cp(LAUNCHER, launcher)
  const refused = await run(['--version'], {}, { node: oldNode!, launcher })
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /needs Node 26.*npm ci/)
})

test('it runs from node_modules, where Node strips no types', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-installed-'))
  after(() => rm(directory, { recursive: true }))
  const installed = join(directory, 'app', 'node_modules', 'atum-desk')
  await mkdir(installed, { recursive: true })
  for (const part of ['bin', 'src', 'migrations', 'package.json']) await cp(join(home, part), join(installed, part), { recursive: true })
  await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), join(directory, 'node_modules'))
  const launcher = join(installed, 'bin', 'atum-desk.mjs')
  const asked = await run(['doctor'], { DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c', ATUM_DATA_DIR: directory }, { launcher })
  assert.match(asked.stdout, /The database cannot be reached/, asked.stderr)
  assert.equal(asked.stderr, '')
})

test('the program ends when its launcher is killed', { skip: !oldNode && 'this machine has no older Node' }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-orphan-'))
  after(() => rm(directory, { recursive: true }))
  const { ownerUrl } = await testDatabase()
  const launched = start(['work', '--json'], { DATABASE_URL: ownerUrl, ATUM_DATA_DIR: directory, WORKER_QUEUES: 'mail' }, { node: oldNode! })
  await until(() => launched.said.stdout.includes('}'), 'the worker is registered')
  const { pid } = JSON.parse(launched.said.stdout) as { pid: number }
  assert.notEqual(pid, launched.pid)
  launched.process.kill('SIGKILL')
  await until(() => !isAlive(pid), 'the program has ended')
})
