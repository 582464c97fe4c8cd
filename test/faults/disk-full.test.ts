import assert from 'node:assert/strict'
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { dataDirectory, LAUNCHER, start } from '../cli/program.ts'
import { until } from '../support/database.ts'
import { runTool, without } from '../support/tools.ts'

/** Room for the cluster, its log and some tickets; and for attachments, on a disk of their own. */
const DISK = '400m'
const FILES = '100m'
const PATIENCE_MS = 120_000
const ANSWER_MS = 60_000
const BLOCK = 1 << 20

const skip = without('unshare') || (runTool('unshare', ['--mount', 'true']).status !== 0 && 'this account may not mount')

interface Answer {
  status: number
  body: Record<string, unknown>
}

test('on a full disk the service refuses, says so, and loses nothing that it confirmed; with room again it goes on by itself', { skip }, async (t) => {
  const directory = await dataDirectory()
  const [disk, files] = [join(directory, 'disk'), join(directory, 'files')]
  for (const folder of [disk, files]) await mkdir(folder, { mode: 0o711 })
  const command = `mount -t tmpfs -o mode=711,size=${DISK} tmpfs "$0" && mount -t tmpfs -o mode=711,size=${FILES} tmpfs "$1" && shift && exec "$@"`
  const variables = { ATUM_DATA_DIR: disk, ATTACHMENTS_DIR: files, PORT: '0', LOG_LEVEL: 'warn' }
  const up = start(['sh', '-c', command, disk, files, process.execPath, LAUNCHER, 'up', '--json'], variables, { node: 'unshare', launcher: '--mount' })
  after(async () => {
    up.process.kill('SIGTERM')
    await up.ended
  })
  await until(() => up.said.stdout.includes('\n') || up.process.exitCode !== null, 'ready', PATIENCE_MS)
  const { url } = JSON.parse(up.said.stdout) as { url: string }
  // The disks as that process sees them.
  const [seen, seenFiles] = [join(`/proc/${up.pid}/root`, disk), join(`/proc/${up.pid}/root`, files)]
  const demo = JSON.parse(await readFile(join(seen, 'demo.json'), 'utf8')) as { users: { role: string; email: string; password: string }[] }
  const { email, password } = demo.users.find(({ role }) => role === 'agent')!

  const send = async (path: string, body: string | FormData, headers: Record<string, string> = {}): Promise<Answer> => {
    try {
      const answer = await fetch(`${url}/api/v1${path}`, { method: 'POST', body, headers, signal: AbortSignal.timeout(ANSWER_MS) })
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
    const report = (await (await fetch(`${url}/health`)).json()) as { status: string; checks: { storage?: { database: string; attachments: string } } }
    return { status: report.status, storage: report.checks.storage }
  }
  await until(async () => (await ticket()) === 201, 'a ticket is taken in', PATIENCE_MS)
  const wellAgain = async () => {
    await until(async () => (await storage().catch(() => null))?.status === 'ok', 'all is well', PATIENCE_MS)
    assert.deepEqual((await storage()).storage, { database: 'ok', attachments: 'ok' })
  }
  await wellAgain()

  await fill(seenFiles)
  // The answer may come while the file is still being sent, and end the connection before it is read.
  await until(async () => (await upload(confirmed[0]!)) === 507, 'a file is refused, for want of room', PATIENCE_MS)
  await until(async () => (await storage().catch(() => null))?.storage?.attachments === 'full', 'health tells of the disk of attachments')
  await until(async () => (await ticket()) === 201, 'tickets go on', PATIENCE_MS)
  await rm(join(seenFiles, 'filler'))
  await until(async () => (await upload(confirmed[0]!)) === 201, 'files are taken in again', PATIENCE_MS)
  await wellAgain()

  await fill(seen)
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
  for (const id of confirmed) {
    const found = async () => (await fetch(`${url}/api/v1/tickets/${id}`, { headers: { authorization } }).catch(() => null))?.status
    await until(async () => (await found()) === 200, 'what was confirmed is there', PATIENCE_MS)
  }
})

/** Writes to a disk until it takes no more, not even a few bytes. */
async function fill(folder: string): Promise<void> {
  await using filler = await open(join(folder, 'filler'), 'a')
  for (const size of [BLOCK, 4_096]) {
    let isFull = false
    while (!isFull) {
      isFull = await filler.write(Buffer.alloc(size, 1)).then(
        ({ bytesWritten }) => bytesWritten < size,
        (error: NodeJS.ErrnoException) => {
          if (error.code === 'ENOSPC') return true
          throw error
        },
      )
    }
  }
}
