import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runTool } from '../support/tools.ts'

const home = fileURLToPath(new URL('../..', import.meta.url))
const DESTDIR = mkdtempSync(join(tmpdir(), 'atum-desk-install-'))
after(() => rmSync(DESTDIR, { recursive: true }))
const at = (path: string) => join(DESTDIR, path)

const install = (args: string[] = [], variables = {}, source = home) =>
  runTool('bash', [join(source, 'infra/install.sh'), ...args], { env: { PATH: process.env['PATH'], DESTDIR, ...variables } })

/** Every path with its kind, content and mode. */
function contents(): Record<string, string> {
  const files = readdirSync(DESTDIR, { recursive: true, withFileTypes: true }).filter((entry) => !entry.isDirectory())
  return Object.fromEntries(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name)
      return [path, entry.isSymbolicLink() ? readlinkSync(path) : `${statSync(path).mode} ${statSync(path).mtimeMs} ${readFileSync(path).length}`]
    }),
  )
}

test('without the address of a database it is refused, by name', () => {
  const refused = install()
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /DATABASE_URL is not set/)
})

test('a dry run says what it would do and does nothing', () => {
  const before = contents()
  const { status, stdout } = install(['--dry-run'], { DATABASE_URL: 'postgres://a:b@c/d' })
  assert.equal(status, 0)
  assert.match(stdout, /\+ install .*atum-desk-api\.service/)
  assert.deepEqual(contents(), before)
})

test('it lays down the release, the units and the credentials, which root alone may read', () => {
  const { status, said } = install([], { DATABASE_URL: 'postgres://a:b@c/d' })
  assert.equal(status, 0, said)
  for (const unit of readdirSync(join(home, 'infra/systemd'))) assert.ok(existsSync(at(`etc/systemd/system/${unit}`)), unit)
  for (const name of ['DATABASE_URL', 'ATUM_SECRET', 'METRICS_TOKEN']) assert.equal(statSync(at(`etc/atum-desk/credentials/${name}`)).mode & 0o777, 0o600)
  assert.equal(statSync(at('etc/atum-desk/credentials')).mode & 0o777, 0o700)
  assert.ok(existsSync(at('opt/atum-desk/current/bin/atum-desk.mjs')))
  assert.ok(!said.includes('a:b@c'), 'no secret is printed')
})

test('a second time nothing changes', () => {
  const before = contents()
  const { stdout } = install()
  assert.match(stdout, /nothing changed/)
  assert.deepEqual(contents(), before)
})

test('a newer version is laid beside the old one, and a rollback goes back to that', () => {
  const newer = mkdtempSync(join(tmpdir(), 'atum-desk-newer-'))
  after(() => rmSync(newer, { recursive: true }))
  for (const part of ['bin', 'src', 'migrations', 'infra', 'package.json', 'package-lock.json'])
    cpSync(join(home, part), join(newer, part), { recursive: true })
  writeFileSync(join(newer, 'src/version.ts'), "export const VERSION = 'newer'\n")
  const old = readlinkSync(at('opt/atum-desk/current'))
  assert.equal(install(['--plan'], {}, newer).status, 0)
  assert.equal(readdirSync(at('opt/atum-desk/releases')).length, 2, 'a plan lays it down')
  assert.equal(readlinkSync(at('opt/atum-desk/current')), old, 'and leaves the one in use')
  assert.equal(install([], {}, newer).status, 0)
  const now = readlinkSync(at('opt/atum-desk/current'))
  assert.notEqual(now, old)
  assert.equal(readlinkSync(at('opt/atum-desk/previous')), old)
  assert.equal(install(['--rollback']).status, 0)
  assert.equal(readlinkSync(at('opt/atum-desk/current')), old)
  assert.equal(readlinkSync(at('opt/atum-desk/previous')), now)
})

test('what was installed goes again, twice as well as once; settings and data stay until they are purged', () => {
  const uninstall = (...args: string[]) => runTool('bash', [join(home, 'infra/uninstall.sh'), ...args], { env: { PATH: process.env['PATH'], DESTDIR } })
  for (const _ of [1, 2]) assert.equal(uninstall().status, 0)
  assert.deepEqual(readdirSync(at('etc/systemd/system')), [])
  assert.ok(!existsSync(at('opt/atum-desk')))
  assert.ok(existsSync(at('etc/atum-desk/credentials/DATABASE_URL')))
  assert.equal(uninstall('--purge').status, 0)
  assert.ok(!existsSync(at('etc/atum-desk')))
})
