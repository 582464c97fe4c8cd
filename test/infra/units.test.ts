import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runTool, without } from '../support/tools.ts'

const EXPOSURE_MAX = 2
const folder = fileURLToPath(new URL('../../infra', import.meta.url))
const units = readdirSync(`${folder}/systemd`).map((name) => `${folder}/systemd/${name}`)
const services = units.filter((unit) => unit.endsWith('.service'))
const skip = without('systemd-analyze')

test('systemd has nothing to say against any unit', { skip }, () => {
  const { status, said } = runTool('systemd-analyze', ['verify', '--man=no', ...units])
  // It speaks of units of the machine as well; those are not ours.
  assert.equal(
    said
      .split('\n')
      .filter((line) => line.includes('atum-desk'))
      .join('\n'),
    '',
  )
  assert.equal(status, 0, said)
})

test('a key that systemd does not know in a section would be found', { skip }, () => {
  const wrong = readFileSync(`${folder}/systemd/atum-desk-api.service`, 'utf8')
    .replace(/^StartLimitBurst=.*\n/m, '')
    .replace('[Service]', '[Service]\nStartLimitBurts=3')
  const { said } = runTool('sh', ['-c', 'cd "$(mktemp -d)" && cat >wrong.service && systemd-analyze verify ./wrong.service; rm wrong.service'], {
    input: wrong,
  })
  assert.match(said, /StartLimitBurts/)
})

for (const service of services) {
  test(`${service.split('/').at(-1)} is exposed by ${EXPOSURE_MAX} at most`, { skip }, () => {
    const { said } = runTool('systemd-analyze', ['security', '--offline=true', '--no-pager', service])
    const exposure = Number(/Overall exposure level for .*: ([\d.]+)/.exec(said)?.[1])
    assert.ok(exposure <= EXPOSURE_MAX, said)
  })
}

test('API and worker differ only in what they do', () => {
  const settings = (name: string) =>
    readFileSync(`${folder}/systemd/${name}`, 'utf8')
      .split('\n')
      .filter((line) => line.includes('=') && !line.startsWith('#'))
  const [api, worker] = [settings('atum-desk-api.service'), settings('atum-desk-worker@.service')]
  const differ = [...api.filter((line) => !worker.includes(line)), ...worker.filter((line) => !api.includes(line))]
  const keys = [...new Set(differ.map((line) => line.slice(0, line.indexOf('='))))]
  assert.deepEqual(keys.toSorted(), ['Description', 'Environment', 'ExecStart', 'LoadCredential', 'SyslogIdentifier', 'TimeoutStopSec'])
})

test('HAProxy takes the configuration that leads to the primary', { skip: without('haproxy') }, () => {
  const { status, said } = runTool('haproxy', ['-c', '-f', 'patroni/haproxy.cfg'], { cwd: folder })
  assert.equal(status, 0, said)
  assert.doesNotMatch(said, /WARNING/)
})

test('the scripts are clean for shellcheck', { skip: without('shellcheck') }, () => {
  const scripts = readdirSync(folder).filter((name) => name.endsWith('.sh') || name === 'atum-desk')
  const { status, said } = runTool('shellcheck', scripts, { cwd: folder })
  assert.equal(status, 0, said)
})
