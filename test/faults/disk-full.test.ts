import assert from 'node:assert/strict'
import { mkdir, open, readFile, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { dataDirectory, LAUNCHER, start } from '../cli/program.ts'
import { until } from '../support/database.ts'
import { runTool, without } from '../support/tools.ts'

/** Room for the cluster, its log and some tickets. */
const DISK = '400m'
const PATIENCE_MS = 120_000
const BLOCK = 1 << 20

const skip = without('unshare') || (runTool('unshare', ['--mount', 'true']).status !== 0 && 'this account may not mount')

interface Answer {
  status: number
  body: Record<string, unknown>
}

test('on a full disk the service refuses, says so, and loses nothing that it confirmed; with room again it goes on by itself', { skip }, async (t) => {
  const directory = await dataDirectory()
  const disk = join(directory, 'disk')
  await mkdir(disk, { mode: 0o711 })
  const command = 'mount -t tmpfs -o mode=711,size="$0" tmpfs "$1" && shift && exec "$@"'
  const variables = { ATUM_DATA_DIR: disk, PORT: '0', LOG_LEVEL: 'warn' }
  const up = start(['sh', '-c', command, DISK, disk, process.execPath, LAUNCHER, 'up', '--json'], variables, { node: 'unshare', launcher: '--mount' })
  after(async () => {
    up.process.kill('SIGTERM')
    await up.ended
  })
  await until(() => up.said.stdout.includes('\n') || up.process.exitCode !== null, 'ready', PATIENCE_MS)
  const { url } = JSON.parse(up.said.stdout) as { url: string }
  // The disk as that process sees it.
  const seen = join(`/proc/${up.pid}/root`, disk)
  const demo = JSON.parse(await readFile(join(seen, 'demo.json'), 'utf8')) as { users: { role: string; email: string; password: string }[] }
  const { email, password } = demo.users.find(({ role }) => role === 'agent')!

  const send = async (path: string, body: string | FormData, headers: Record<string, string> = {}): Promise<Answer> => {
    try {
      const answer = await fetch(`${url}/api/v1${path}`, { method: 'POST', body, headers, signal: AbortSignal.timeout(15_000) })
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> }
    } catch {
      return { status: 0, body: {} }
    }
  }
  const json = { 'content-type': 'application/json' }
  const login = await send('/auth/login', JSON.stringify({ email, password }), json)
  const authorization = `Bearer ${String(login.body['access_token'])}`
  const confirmed: string[] = []
  const ticket = async (): Promise<number> => {
    const { status, body } = await send('/tickets', JSON.stringify({ subject: 'Full', description: 'x'.repeat(50_000) }), { ...json, authorization })
    if (status === 201) confirmed.push(String(body['id']))
    return status
  }
  const upload = async (id: string): Promise<number> => {
    const form = new FormData()
    form.append('file', new Blob([new Uint8Array(3 * BLOCK)]), 'log.bin')
    return (await send(`/tickets/${id}/attachments`, form, { authorization })).status
  }
  const storage = async () => {
    const report = (await (await fetch(`${url}/health`)).json()) as { status: string; checks: { storage?: unknown } }
    return { status: report.status, storage: report.checks.storage }
  }
  assert.equal(await ticket(), 201)
  assert.deepEqual(await storage(), { status: 'ok', storage: { database: 'ok', attachments: 'ok' } })

  await fill(seen)
  assert.equal(await upload(confirmed[0]!), 507, 'a file is refused, for want of room')
  const refused: number[] = []
  await until(
    async () => {
      const status = await ticket()
      if (status !== 201) refused.push(status)
      return refused.length >= 3
    },
    'tickets are refused',
    PATIENCE_MS,
  )
  t.diagnostic(`${confirmed.length} tickets confirmed before it was full, then ${refused.join(', ')}`)
  assert.ok(
    refused.every((status) => [0, 503].includes(status)),
    refused.join(),
  )
  await until(async () => (await storage().catch(() => null))?.status !== 'ok', 'health tells of it', PATIENCE_MS)

  await rm(join(seen, 'filler'))
  const before = confirmed.length
  await until(async () => (await ticket()) === 201 && confirmed.length >= before + 3, 'tickets are taken in again', PATIENCE_MS)
  assert.equal(await upload(confirmed[0]!), 201)
  for (const id of confirmed) {
    const { status } = await fetch(`${url}/api/v1/tickets/${id}`, { headers: { authorization } })
    assert.equal(status, 200, 'what was confirmed is there')
  }
})

/** Writes to a disk until it takes no more. */
async function fill(folder: string): Promise<void> {
  await using filler = await open(join(folder, 'filler'), 'w')
  const { bavail, bsize } = await statfs(folder)
  for (let left = bavail * bsize; left > 0; left -= BLOCK) await filler.write(Buffer.alloc(Math.min(left, BLOCK), 1))
}
