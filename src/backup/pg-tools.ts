import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { BackupError } from './manifest.ts'

const DEBIAN = '/usr/lib/postgresql'
const LAST_WORDS_CHARS = 2_000

/** One of PostgreSQL's own programs. */
export interface PgTool {
  path: string
  major: number
}

/** pg_dump or pg_restore of a version that reads what a server of `major` has: that one or a newer. Null where there is none. */
export function findPgTool(name: 'pg_dump' | 'pg_restore', major: number): PgTool | null {
  const debian = existsSync(DEBIAN) ? readdirSync(DEBIAN).map((version) => join(DEBIAN, version, 'bin')) : []
  const tools = [...(process.env['PATH'] ?? '').split(':'), ...debian]
    .map((folder) => join(folder, name))
    .filter((path) => existsSync(path))
    .flatMap((path) => {
      const version = /(\d+)(\.\d+)*/.exec(spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]
      return version ? [{ path, major: Number(version) }] : []
    })
  return tools.filter((tool) => tool.major >= major).toSorted((a, b) => a.major - b.major)[0] ?? null
}

/** Runs it on the database of `url`; the password goes by the environment, where other accounts do not see it. @throws BackupError */
export async function runPgTool({ path }: PgTool, url: string, args: readonly string[]): Promise<void> {
  const address = new URL(url)
  const password = decodeURIComponent(address.password)
  address.password = ''
  const child = spawn(path, [...args, '--dbname', address.href, '--no-password'], {
    env: { ...process.env, PGPASSWORD: password },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = `${said}${chunk.toString()}`.slice(-LAST_WORDS_CHARS)))
  const status = await new Promise<number | string | null>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
  if (status !== 0) throw new BackupError(`${path} failed (${status}): ${said.trim()}`)
}
