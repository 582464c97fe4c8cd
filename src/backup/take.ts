import { createWriteStream } from 'node:fs'
import { chown, mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type pg from 'pg'
import { copyOut } from '#db/backup-copy.ts'
import { fingerprintOf, listAttachmentKeys, listSequences, listTables, readAlike, stillAttached } from '#db/backup-tables.ts'
import type { TableShape } from '#db/backup-tables.ts'
import { migrationStates, withClient } from '#db/migrations.ts'
import { makeFolder } from '#make-folder.ts'
import { VERSION } from '#version.ts'
import { copyFiles } from './attachments.ts'
import { BackupError, finish, isOfFolder, seal, tableFile } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { findPgTool, runPgTool } from './pg-tools.ts'

export type Method = Manifest['method'] | 'auto'

export interface BackupOptions {
  ownerUrl: string
  /** Where backups lie; each gets a folder of its own there. */
  parent: string
  attachmentsDirectory: string
  method: Method
  say: (line: string) => void
}

/** A finished backup. */
export interface Backup {
  folder: string
  manifest: Manifest
}

/**
 * Backs up the database and the attachments, all of the database as it was at one moment. A folder that has its final
 * name is whole, and was read again after it was written.
 *
 * @throws BackupError, and then leaves nothing behind
 */
export async function takeBackup(options: BackupOptions): Promise<Backup> {
  const createdAt = new Date().toISOString()
  const folder = join(options.parent, createdAt.replaceAll(/[:.]/g, '-'))
  const partial = `${folder}.partial`
  try {
    await makeFolder(partial, 0o700)
    const manifest = await withClient(options.ownerUrl, (client) => write(client, partial, createdAt, options))
    await seal(partial, manifest)
    await handOver(partial, options.parent)
    await finish(partial, folder)
    return { folder, manifest }
  } catch (error) {
    await rm(partial, { recursive: true, force: true }).catch(() => {})
    throw isOfFolder(error)
      ? new BackupError(`Nothing was kept in ${options.parent}: ${error.message}. Name a folder that this account may write to, on a disk with room for it.`)
      : error
  }
}

/** What root keeps belongs to whoever owns the place, so that the service's own backups can remove it when it is old. */
async function handOver(folder: string, parent: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(parent)
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const path of [folder, ...entries.map((entry) => join(entry.parentPath, entry.name))]) await chown(path, uid, gid)
}

async function write(client: pg.Client, folder: string, created_at: string, options: BackupOptions): Promise<Manifest> {
  const { ownerUrl, method: wanted, say } = options
  const migrations = (await migrationStates(ownerUrl)).filter((state) => state.applied_at !== null).map((state) => state.name)
  if (migrations.length === 0) throw new BackupError('The database has no table of this program: there is nothing to back up.')
  await client.query('begin isolation level repeatable read read only')
  await readAlike(client)
  const { rows } = await client.query<{ version: number; snapshot: string }>(
    `select current_setting('server_version_num')::int as version, pg_export_snapshot() as snapshot`,
  )
  const { version, snapshot } = rows[0]!
  const major = Math.floor(version / 10_000)
  const pgDump = wanted === 'copy' ? null : findPgTool('pg_dump', major)
  if (wanted === 'pg_dump' && !pgDump)
    throw new BackupError(`There is no pg_dump for PostgreSQL ${major}. Install postgresql-client-${major}, or use --method copy.`)
  const tables = await listTables(client)
  if (pgDump) {
    say(`Backing up with ${pgDump.path} (version ${pgDump.major}).`)
    await runPgTool(pgDump, ownerUrl, [
      '--format=custom',
      '--no-owner',
      '--exclude-table-data=rag_embeddings',
      `--snapshot=${snapshot}`,
      `--file=${join(folder, 'database.dump')}`,
    ])
  } else {
    say(`Backing up by COPY.`)
    await mkdir(join(folder, 'tables'), { mode: 0o700 })
    for (const table of tables) await writeTable(client, folder, table)
  }
  const known = []
  for (const table of tables) known.push({ ...table, ...(await fingerprintOf(client, table.name)) })
  const sequences = await listSequences(client)
  const attachments = await writeAttachments(client, folder, options)
  await client.query('commit')
  return {
    format: 1,
    program: VERSION,
    created_at,
    server_version: version,
    method: pgDump ? 'pg_dump' : 'copy',
    migrations,
    tables: known,
    sequences,
    attachments,
  }
}

async function writeTable(client: pg.Client, folder: string, table: TableShape): Promise<void> {
  await pipeline(copyOut(client, table), createGzip(), createWriteStream(join(folder, tableFile(table.name)), { mode: 0o600, flush: true }))
}

/** A file may be removed while it is to be copied; what is missing though its row is still there is a loss that must be heard of. */
async function writeAttachments(client: pg.Client, folder: string, { ownerUrl, attachmentsDirectory: directory, say }: BackupOptions): Promise<number> {
  const files = await listAttachmentKeys(client)
  const { missing, damaged } = await copyFiles(files, directory, join(folder, 'attachments'), () => {})
  if (damaged.length > 0) throw new BackupError(`Attachments do not have the content that was uploaded: ${damaged.join(', ')} in ${directory}.`)
  if (missing.length > 0) {
    // Asked outside the snapshot, which sees no removal.
    const lost = await withClient(ownerUrl, (now) => stillAttached(now, missing))
    if (lost.length > 0) throw new BackupError(`Attachments are missing from ${directory}: ${lost.join(', ')}.`)
    say(`${missing.length} attachments were removed meanwhile.`)
  }
  return files.length - missing.length
}

/** Removes the oldest backups but for `keep`. @returns the folders that are gone */
export async function prune(parent: string, keep: number): Promise<string[]> {
  const names = (await readdir(parent, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && /^\d{4}-\d\d-\d\dT[\d-]+Z$/.test(entry.name))
    .map((entry) => entry.name)
  const old = names
    .toSorted()
    .slice(0, -keep)
    .map((name) => join(parent, name))
  for (const folder of old) await rm(folder, { recursive: true })
  return old
}
