import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import pg from 'pg'
import { freePort } from '#db/embedded.ts'
import { until } from './database.ts'

const ROOT = '/usr/lib/postgresql'

/** Where the newest PostgreSQL of the distribution has its programs; null where there is none. */
export function debianBinaries(): string | null {
  const versions = existsSync(ROOT) ? readdirSync(ROOT).toSorted((a, b) => Number(b) - Number(a)) : []
  return versions.map((version) => join(ROOT, version, 'bin')).find((bin) => existsSync(join(bin, 'postgres')) && existsSync(join(bin, 'pg_dump'))) ?? null
}

/** The account under which root runs PostgreSQL. */
export function postgresAccount(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const of = (what: string) => Number(spawnSync('id', [what, 'postgres'], { encoding: 'utf8' }).stdout)
  return { uid: of('-u'), gid: of('-g') }
}

/** Starts the distribution's PostgreSQL, with a database `desk`. @returns the address of its superuser */
export async function startDebianPostgres(bin: string): Promise<string> {
  const account = postgresAccount()
  const directory = await mkdtemp(join(tmpdir(), 'atum-desk-debian-'))
  if (account.uid !== undefined) await chown(directory, account.uid, account.gid!)
  await chmod(directory, 0o700)
  const data = join(directory, 'data')
  const made = spawnSync(join(bin, 'initdb'), ['-D', data, '-U', 'owner', '--auth=trust', '-E', 'UTF8', '--no-locale', '--no-sync'], {
    ...account,
    cwd: '/',
    encoding: 'utf8',
  })
  if (made.status !== 0) throw new Error(made.stderr)
  const port = await freePort()
  const settings = { port, listen_addresses: '127.0.0.1', unix_socket_directories: '', fsync: 'off' }
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])], {
    ...account,
    cwd: '/',
    stdio: 'ignore',
  })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  after(async () => {
    server.kill('SIGQUIT')
    await ended
    await rm(directory, { recursive: true, force: true })
  })
  const at = (database: string) => `postgres://owner@127.0.0.1:${port}/${database}`
  await until(async () => (await once(at('postgres'), 'select').catch(() => null)) !== null, 'it answers')
  await once(at('postgres'), 'create database desk')
  return at('desk')
}

/** One statement on a connection of its own. */
export async function once(url: string, statement: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(statement)
  } finally {
    await client.end()
  }
}
