import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { testDatabase, until } from '../support/database.ts'
import { runTool } from '../support/tools.ts'
import { isHealthy, run, start } from './program.ts'

const home = fileURLToPath(new URL('../..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'atum-desk-package-'))
after(() => rmSync(directory, { recursive: true }))

/** npm as a person runs it: with the Node of this test, and without what npm itself has set for it. */
function npm(args: string[], cwd: string) {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS|NODE_TEST)/.test(name)))
  return runTool('npm', [...args, '--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=1', '--fetch-timeout=60000'], {
    cwd,
    env: { ...own, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` },
  })
}

/**
 * Whether an installation failed for want of a network. These two install from the registry, and there is nothing to install
 * from without one: a machine that has no network skips them, and whoever has one cannot. Every other failure is one.
 */
const hasNoRegistry = ({ status, said }: ReturnType<typeof npm>): boolean =>
  status !== 0 && /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT/.test(said)

const database = await testDatabase()
const here = { DATABASE_URL: database.ownerUrl, ATUM_DATA_DIR: join(directory, 'data'), PORT: '0' }

/** Whether the program of an installation serves its console and API. */
async function serves(launcher: string): Promise<void> {
  const migrations = await run(['migrate', 'status', '--json'], here, { launcher })
  assert.equal(migrations.code, 0, migrations.stderr)
  assert.ok((JSON.parse(migrations.stdout) as { migrations: { applied_at: string | null }[] }).migrations.every(({ applied_at }) => applied_at))
  const serving = start(['serve', '--json'], here, { launcher })
  try {
    await until(() => serving.said.stdout.includes('}'), `it serves; it says ${serving.said.stderr}`)
    const { url } = JSON.parse(serving.said.stdout) as { url: string }
    assert.ok(await isHealthy(url))
    assert.equal((await fetch(`${url}/console/`)).status, 200, 'with its console')
  } finally {
    serving.process.kill('SIGTERM')
    await serving.ended
  }
}

test('what npm packs is all that it takes to run, and nothing else', async (t) => {
  const packed = npm(['pack', '--json', '--ignore-scripts', '--pack-destination', directory], home)
  assert.equal(packed.status, 0, packed.said)
  const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }]
  const paths = files.map(({ path }) => path)
  assert.ok(paths.includes('src/console/dist/index.html'), 'the built console')
  assert.deepEqual(
    paths.filter((path) => /^(test|bench|\.ci|node_modules|\.atum-desk)/.test(path)),
    [],
  )

  const app = join(directory, 'app')
  runTool('mkdir', [app])
  const installed = npm(['install', '--omit=dev', join(directory, filename)], app)
  if (hasNoRegistry(installed)) return t.skip('the registry cannot be reached')
  assert.equal(installed.status, 0, installed.said)
  await serves(join(app, 'node_modules/atum-desk/bin/atum-desk.mjs'))
  const npx = npm(['exec', '--offline', '--', 'atum-desk', '--version'], app)
  assert.equal(npx.stdout.trim(), (JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string }).version, npx.said)
})

test('npm ci --omit=dev in a clone installs a service that runs', async (t) => {
  const clone = join(directory, 'clone')
  for (const part of ['bin', 'src', 'migrations', 'package.json', 'package-lock.json', '.npmrc']) {
    cpSync(join(home, part), join(clone, part), { recursive: true, filter: (path) => !path.endsWith('console/dist') })
  }
  const installed = npm(['ci', '--omit=dev'], clone)
  if (hasNoRegistry(installed)) return t.skip('the registry cannot be reached')
  assert.equal(installed.status, 0, installed.said)
  assert.ok(!existsSync(join(clone, 'node_modules/typescript')), 'no tool of development')
  await serves(join(clone, 'bin/atum-desk.mjs'))
})

const oldNode = ['/usr/bin/node', '/usr/local/bin/node'].find(
  (node) => existsSync(node) && Number(/v(\d+)/.exec(runTool(node, ['--version']).stdout)?.[1]) < 26,
)

test('an older Node is told so when npm has installed', { skip: !oldNode && 'this machine has no older Node' }, () => {
  const { status, stderr } = runTool(oldNode!, [join(home, 'bin/prepare.mjs')])
  assert.equal(status, 1)
  assert.match(stderr, /needs Node 26.*this is Node \d+.*--omit=dev/)
})

interface Locked {
  dev?: boolean
  license?: string
  integrity?: string
  version: string
}
const { packages } = JSON.parse(readFileSync(join(home, 'package-lock.json'), 'utf8')) as { packages: Record<string, Locked> }
const shipped = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev)

test('every package that is shipped has a licence that asks for no more than its notice, and a checksum', () => {
  const fine = /^(MIT|MIT-0|ISC|Apache-2\.0|BSD-2-Clause|BSD-3-Clause|0BSD|BlueOak-1\.0\.0|CC0-1\.0|Unlicense|PostgreSQL|Python-2\.0)$/
  const isFine = (license = '') =>
    license
      .replaceAll(/[()]/g, '')
      .split(' OR ')
      .some((each) => fine.test(each))
  assert.ok(shipped.length > 100)
  assert.deepEqual(
    shipped.filter(([, { license }]) => !isFine(license)).map(([path, { license }]) => `${path}: ${license}`),
    [],
  )
  assert.deepEqual(
    shipped.filter(([, { integrity }]) => !integrity).map(([path]) => path),
    [],
  )
  assert.ok(!isFine('GPL-3.0') && !isFine(undefined), 'the check can fail')
})

test('the bill of materials names what is shipped, with licences and checksums', () => {
  const { status, stdout, stderr } = npm(['run', '--silent', 'sbom'], home)
  assert.equal(status, 0, stderr)
  const sbom = JSON.parse(stdout) as { bomFormat: string; components: { name: string; version: string; licenses?: unknown[]; hashes?: unknown[] }[] }
  assert.equal(sbom.bomFormat, 'CycloneDX')
  const named = new Set(sbom.components.map(({ name, version }) => `${name}@${version}`))
  for (const name of Object.keys((JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { dependencies: object }).dependencies)) {
    assert.ok(named.has(`${name}@${packages[`node_modules/${name}`]!.version}`), name)
  }
  assert.ok(!sbom.components.some(({ name }) => name === 'typescript'))
  for (const { name, licenses, hashes } of sbom.components) assert.ok(licenses?.length && hashes?.length, name)
})
