import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

interface Package {
  version?: string
  optionalDependencies?: Record<string, string>
}

const { packages } = JSON.parse(await readFile(new URL('../../package-lock.json', import.meta.url), 'utf8')) as { packages: Record<string, Package> }
const { allowScripts } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { allowScripts: Record<string, boolean> }

test("the lock file names every platform's binaries; npm ci refuses one that leaves some out", () => {
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isLocked(path, name)),
  )
  assert.deepEqual(missing, [])
})

/** Whether the package that lies at `path` finds `name` in its own node_modules or in those above it. */
function isLocked(path: string, name: string): boolean {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (packages[`${at}${at && '/'}node_modules/${name}`]) return true
    if (at === '') return false
  }
}

test('every package with an install script is approved, so that npm ci asks nothing', () => {
  const withScripts = Object.entries(packages).filter(([, { hasInstallScript }]: [string, Package & { hasInstallScript?: boolean }]) => hasInstallScript)
  const names = withScripts.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length))
  assert.deepEqual(
    names.filter((name) => !allowScripts[name]),
    [],
  )
})
