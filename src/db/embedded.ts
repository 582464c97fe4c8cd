import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, openSync, statSync } from 'node:fs'
import { readFile, realpath, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { makeFolder } from '#make-folder.ts'
import { databaseAccount, reachableBinaries, reachableCluster } from './embedded-account.ts'
import { clusterFiles, createCluster, killBackends, OWNER, ownerPassword, postmasterOf, stopLeftover } from './embedded-cluster.ts'

/** Recovery from the log of a busy server takes a while on a slow disk. */
const START_TIMEOUT_MS = 300_000
const STOP_TIMEOUT_MS = 15_000
const LOG_BYTES_MAX = 10_000_000
const LAST_WORDS_CHARS = 1_000

/** A death is answered by starts, this many at most; so many deaths within the window are more than starting helps with. */
const BUDGET = { startsPerDeath: 30, pauseMs: 100, pauseMaxMs: 2_000, deaths: 100, withinMs: 600_000 }

/** PostgreSQL is started with these; a test adds that it may forget what a power cut would lose. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '120',
  shared_buffers: '256MB',
  jit: 'off',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
  // A statement carries what people wrote; the log of the server is no place for it.
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
} as const

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
  /** Ends the server, its writes on disk; `immediate` leaves that to the recovery of the next start. */
  stop(how?: 'fast' | 'immediate'): Promise<void>
}

/**
 * Starts PostgreSQL from the npm package on a folder, making the cluster where there is none. A server that a killed
 * process left behind on that folder is stopped first; PostgreSQL then recovers from its log. The caller sees to it
 * that no other start uses the folder.
 *
 * @throws Error that says what to do, where the machine cannot run it
 */
export async function startEmbeddedPostgres({ directory, settings = {}, say = () => {}, onGone = () => {} }: EmbeddedOptions): Promise<EmbeddedPostgres> {
  await makeFolder(directory)
  const [account, password] = await Promise.all([databaseAccount(say), ownerPassword(directory)])
  const [binaries, cluster] = await Promise.all([reachableBinaries(account, say), reachableCluster(clusterFiles(directory).cluster, account, say)])
  await createCluster(cluster, binaries, account, password, say)
  await stopLeftover(cluster, binaries, account, say)

  // Looked for last: another program may take it meanwhile.
  const port = await freePort()
  const flags = Object.entries({ ...SETTINGS, ...settings, port: String(port) }).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const logFile = clusterFiles(directory).log
  const launch = (): ChildProcess => {
    const log = openLog(logFile)
    // Detached: Ctrl-C reaches the program alone, which stops the server last. Its log is a file, so that it outlives the program.
    const child = spawn(binaries.postgres, ['-D', cluster, ...flags], {
      ...account,
      cwd: '/',
      detached: true,
      stdio: ['ignore', log, log],
      env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' },
    })
    closeSync(log)
    child.on('error', (error) => say(`PostgreSQL: ${error.message}`))
    child.unref()
    return child
  }
  const server = new Server({ launch, url: ownerUrl(password, port, 'postgres'), logFile, cluster, say, onGone })
  await server.start()
  await createDatabase(ownerUrl(password, port, 'postgres'))
  return { url: ownerUrl(password, port, 'atum_desk'), pid: () => server.pid, stop: (how) => server.stop(how) }
}

/** The owner's address of the server that runs on a data directory at the moment; null where none answers. */
export async function runningEmbeddedUrl(directory: string): Promise<string | null> {
  const files = clusterFiles(directory)
  const postmaster = await postmasterOf(await realpath(files.cluster).catch(() => files.cluster))
  const password = await readFile(files.password, 'utf8').catch(() => null)
  if (!postmaster || !password) return null
  const url = ownerUrl(password.trim(), postmaster.port, 'atum_desk')
  return (await answers(url)) ? url : null
}

/** Removes a stopped cluster and its data directory, also where the cluster lies elsewhere. */
export async function removeEmbedded(directory: string): Promise<void> {
  const cluster = await realpath(clusterFiles(directory).cluster).catch(() => null)
  if (cluster) await rm(cluster, { recursive: true, force: true })
  await rm(directory, { recursive: true, force: true })
}

interface Life {
  launch: () => ChildProcess
  url: string
  logFile: string
  cluster: string
  say: (line: string) => void
  onGone: (error: Error) => void
}

/** Keeps one server process alive. */
class Server {
  readonly #life: Life
  #process: ChildProcess | undefined
  #logFrom = 0
  #stopping = false
  #deaths: number[] = []

  constructor(life: Life) {
    this.#life = life
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  async start(): Promise<void> {
    await this.#launchAndWait()
    this.#watch()
  }

  async stop(how: 'fast' | 'immediate' = 'fast'): Promise<void> {
    this.#stopping = true
    const server = this.#process
    if (!server || hasEnded(server)) return
    const ended = new Promise((resolve) => server.once('exit', resolve))
    server.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT')
    const patience = setTimeout(() => server.kill('SIGQUIT'), STOP_TIMEOUT_MS)
    await ended
    clearTimeout(patience)
  }

  async #launchAndWait(): Promise<void> {
    this.#logFrom = sizeOf(this.#life.logFile)
    const server = (this.#process = this.#life.launch())
    const until = Date.now() + START_TIMEOUT_MS
    while (!(await answers(this.#life.url))) {
      if (hasEnded(server)) throw new Error(`PostgreSQL did not start: ${await this.#lastWords()}`)
      if (Date.now() < until) {
        await pause(25)
        continue
      }
      server.kill('SIGQUIT')
      throw new Error(`PostgreSQL did not answer within ${START_TIMEOUT_MS / 1000} s: ${await this.#lastWords()}`)
    }
  }

  #watch(): void {
    this.#process?.once('exit', (code, signal) => {
      if (this.#stopping) return
      this.#life.say(`PostgreSQL ended (${signal ?? `code ${code}`}); starting it again.`)
      this.#startAgain().catch(this.#life.onGone)
    })
    // It may have ended between its first answer and now.
    if (this.#process && hasEnded(this.#process) && !this.#stopping) this.#process.emit('exit', this.#process.exitCode, this.#process.signalCode)
  }

  async #startAgain(): Promise<void> {
    const now = Date.now()
    this.#deaths = [...this.#deaths.filter((at) => at > now - BUDGET.withinMs), now]
    if (this.#deaths.length > BUDGET.deaths) throw new Error(`PostgreSQL died ${this.#deaths.length} times within ${BUDGET.withinMs / 60_000} minutes.`)
    for (let attempt = 1; attempt <= BUDGET.startsPerDeath && !this.#stopping; attempt += 1) {
      await pause(Math.min(BUDGET.pauseMs * attempt, BUDGET.pauseMaxMs))
      if (this.#stopping) return
      try {
        await killBackends(this.#life.cluster)
        await this.#launchAndWait()
        this.#life.say('PostgreSQL is back.')
        this.#watch()
        return
      } catch (error) {
        if (!this.#stopping) this.#life.say((error as Error).message)
      }
    }
    if (!this.#stopping) throw new Error(`PostgreSQL died and could not be started again: ${await this.#lastWords()}`)
  }

  async #lastWords(): Promise<string> {
    const log = await readFile(this.#life.logFile, 'utf8').catch(() => '')
    const words = log.slice(this.#logFrom).trim().slice(-LAST_WORDS_CHARS).replaceAll('\n', ' | ')
    return words || `it said nothing in ${this.#life.logFile}`
  }
}

const hasEnded = (server: ChildProcess): boolean => server.pid === undefined || server.exitCode !== null || server.signalCode !== null

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}

/** Opens the server's log for appending; one that has grown large begins anew. */
function openLog(file: string): number {
  if (sizeOf(file) > LOG_BYTES_MAX) closeSync(openSync(file, 'w', 0o600))
  return openSync(file, 'a', 0o600)
}

function ownerUrl(password: string, port: number, database: string): string {
  return `postgres://${OWNER}:${password}@127.0.0.1:${port}/${database}`
}

async function createDatabase(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
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
