import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import pg from 'pg'
import { freePort } from '#db/embedded.ts'
import { serviceUrls } from '#db/logins.ts'
import type { ServiceUrls } from '#db/logins.ts'
import { until } from '../support/database.ts'

const PGBOUNCER = '/usr/sbin/pgbouncer'
/** The account `nobody`, which root lends to PgBouncer: it refuses to run as root. */
const NOBODY = 65_534

export const hasPooler: boolean = existsSync(PGBOUNCER)

/**
 * Starts PgBouncer in transaction mode before the service roles of a database. Nothing of what the service sends at the
 * start of a connection is ignored on its behalf, and connections are few, so that they change hands at every transaction.
 */
export async function startPooler(t: TestContext, ownerUrl: string, connections: number): Promise<ServiceUrls> {
  const direct = serviceUrls(ownerUrl)
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-pooler-'))
  const port = await freePort()
  await writeFile(join(directory, 'users.txt'), Object.values(direct).map(loginLine).join(''), { mode: 0o600 })
  await writeFile(join(directory, 'pgbouncer.ini'), settingsOf(new URL(ownerUrl), directory, port, connections))
  const asRoot = process.getuid?.() === 0
  if (asRoot) await makeReadable(directory)
  const pooler = spawn(PGBOUNCER, ['-q', join(directory, 'pgbouncer.ini')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    ...(asRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  })
  t.after(() => stop(pooler, directory))
  const urls = { app: through(direct.app, port), system: through(direct.system, port) }
  await until(() => answers(urls.system), 'PgBouncer answers')
  return urls
}

function settingsOf(server: URL, directory: string, port: number, connections: number): string {
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: join(directory, 'users.txt'),
    pool_mode: 'transaction',
    default_pool_size: connections,
    max_client_conn: 500,
    log_connections: 0,
    log_disconnections: 0,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`)
  return `[databases]\n* = host=${server.hostname} port=${server.port}\n[pgbouncer]\n${lines.join('')}`
}

function loginLine(url: string): string {
  const { username, password } = new URL(url)
  return `"${username}" "${decodeURIComponent(password)}"\n`
}

function through(url: string, port: number): string {
  const address = new URL(url)
  address.port = String(port)
  return address.href
}

async function makeReadable(directory: string): Promise<void> {
  await chmod(directory, 0o711)
  for (const file of ['users.txt', 'pgbouncer.ini']) await chown(join(directory, file), NOBODY, NOBODY)
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

async function stop(pooler: ChildProcess, directory: string): Promise<void> {
  if (pooler.exitCode === null && pooler.signalCode === null) {
    const ended = new Promise((resolve) => pooler.once('exit', resolve))
    pooler.kill('SIGINT')
    const patience = setTimeout(() => pooler.kill('SIGKILL'), 2_000)
    await ended
    clearTimeout(patience)
  }
  await rm(directory, { recursive: true, force: true })
}
