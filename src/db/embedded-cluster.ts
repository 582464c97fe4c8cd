import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, mkdir, readFile, readdir, readlink, realpath, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { run } from './embedded-account.ts'
import type { Account, Binaries } from './embedded-account.ts'

export const OWNER = 'atum'
/** The major version of the PostgreSQL that comes with this program. */
const MAJOR = '18'
const GENTLE_STOP_SECONDS = '10'
const GONE_TIMEOUT_MS = 10_000

/** The embedded PostgreSQL cannot be used as it lies there; the message says why. */
export class ClusterError extends Error {
  override name = 'ClusterError'
}

/** The folders and files of one embedded cluster, below its data directory. */
export const clusterFiles = (directory: string) => ({
  cluster: join(directory, 'postgres'),
  password: join(directory, 'postgres-password'),
  log: join(directory, 'postgres.log'),
})

/** The owner's password, made once. */
export async function ownerPassword(directory: string): Promise<string> {
  const { password: file } = clusterFiles(directory)
  if (!existsSync(file)) {
    await writeFile(`${file}.new`, randomBytes(24).toString('base64url'), { mode: 0o600 })
    await rename(`${file}.new`, file)
  }
  return (await readFile(file, 'utf8')).trim()
}

/**
 * Makes the cluster beside its place and then moves it there, so that a killed first start leaves nothing half-made.
 *
 * @throws ClusterError where one of another version lies there, or none can be made
 */
export async function createCluster(cluster: string, { initdb }: Binaries, account: Account, password: string, say: (line: string) => void): Promise<void> {
  const version = await readFile(join(cluster, 'PG_VERSION'), 'utf8').then(
    (text) => text.trim(),
    () => null,
  )
  if (version === MAJOR) return
  if (version !== null) {
    throw new ClusterError(
      `${cluster} was made by PostgreSQL ${version}, and this program brings ${MAJOR}.\nTake a backup with the release that made it, and restore that into another ATUM_DATA_DIR.`,
    )
  }
  say('Making a PostgreSQL cluster (once).')
  const unfinished = `${cluster}.new`
  const passwordFile = join(dirname(unfinished), `.password-${process.pid}`)
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { mode: 0o700 })
  await writeFile(passwordFile, password, { mode: 0o600 })
  if (account.uid !== undefined && account.gid !== undefined) {
    await chown(unfinished, account.uid, account.gid)
    await chown(passwordFile, account.uid, account.gid)
  }
  const shape = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--data-checksums', '--no-instructions']
  const made = await run(initdb, ['-D', unfinished, '-U', OWNER, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', ...shape], {
    ...account,
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
  })
  await rm(passwordFile, { force: true })
  if (made.status !== 0) throw new ClusterError(`The PostgreSQL cluster could not be made: ${made.stderr.trim()}`)
  if (existsSync(cluster) && (await readdir(cluster)).length === 0) await rm(cluster, { recursive: true })
  await rename(unfinished, cluster)
}

/** The port and process of the server that holds the cluster's folder, as its postmaster.pid says; null where there is none. */
export async function postmasterOf(cluster: string): Promise<{ pid: number; port: number } | null> {
  const lines = (await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')
  const [pid, port] = [Number(lines[0]), Number(lines[3])]
  return pid > 0 && port > 0 ? { pid, port } : null
}

/** Stops what a killed start left behind on this folder: a whole server gently, backends without their server at once. */
export async function stopLeftover(cluster: string, { pg_ctl }: Binaries, account: Account, say: (line: string) => void): Promise<void> {
  if (existsSync(join(cluster, 'postmaster.pid')) && (await run(pg_ctl, ['status', '-D', cluster], account)).status === 0) {
    say('Stopping the PostgreSQL that a killed start left behind.')
    const gentle = await run(pg_ctl, ['stop', '-D', cluster, '-m', 'fast', '-w', '-t', GENTLE_STOP_SECONDS], account)
    if (gentle.status !== 0) await run(pg_ctl, ['stop', '-D', cluster, '-m', 'immediate', '-w', '-t', GENTLE_STOP_SECONDS], account)
  }
  await killBackends(cluster)
}

/**
 * Ends the processes whose working folder is the cluster. To be called only when its server is gone: a backend in a
 * long statement does not notice that, and PostgreSQL does not start again before the last one has ended. Where there
 * is no /proc to find them by, the next start waits for them.
 */
export async function killBackends(cluster: string): Promise<void> {
  const folder = await realpath(cluster).catch(() => cluster)
  const until = Date.now() + GONE_TIMEOUT_MS
  for (let left = await processesIn(folder); left.length > 0 && Date.now() < until; left = await processesIn(folder)) {
    for (const pid of left) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
    await pause(20)
  }
}

async function processesIn(folder: string): Promise<number[]> {
  const entries = await readdir('/proc').catch(() => [])
  const pids = entries.filter((entry) => /^\d+$/.test(entry)).map(Number)
  const folders = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => '')))
  return pids.filter((pid, index) => folders[index] === folder && pid !== process.pid)
}
