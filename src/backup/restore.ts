import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import type pg from 'pg'
import { beginLoad, copyIn, endLoad } from '#db/backup-copy.ts'
import { fingerprintOf, hasVectors, isEmptyDatabase, listAttachmentKeys, listTables, readAlike } from '#db/backup-tables.ts'
import { allowServiceLogins, checkOwner, ensureServiceRoles } from '#db/logins.ts'
import { knownMigrations, migrate, withClient } from '#db/migrations.ts'
import { copyFiles } from './attachments.ts'
import { BackupError, isOfFolder, MANIFEST, tableFile } from './manifest.ts'
import type { Manifest } from './manifest.ts'
import { findPgTool, runPgTool } from './pg-tools.ts'

export interface RestoreOptions {
  ownerUrl: string
  folder: string
  manifest: Manifest
  attachmentsDirectory: string
  say: (line: string) => void
}

/** The folder of a backup: the one that is named, or the newest in it. @throws BackupError */
export async function findBackup(path: string): Promise<string> {
  if (await isThere(join(path, MANIFEST))) return path
  const names = (await readdir(path).catch((): string[] => [])).toSorted().toReversed()
  for (const name of names) if (!name.endsWith('.partial') && (await isThere(join(path, name, MANIFEST)))) return join(path, name)
  throw new BackupError(`${path} is no backup, and has none in it.`)
}

/**
 * Fills an empty database with what a checked backup holds, and compares every table with what it was. Rows that refer
 * to missing ones, or a table that comes out differently, are told as errors.
 *
 * @throws BackupError
 */
export async function restoreBackup(options: RestoreOptions): Promise<void> {
  const { ownerUrl, manifest } = options
  await checkOwner(ownerUrl)
  await withClient(ownerUrl, async (client) => {
    if (!(await isEmptyDatabase(client))) throw new BackupError('The database is not empty. Restore into a new one: create database ...')
  })
  if (manifest.method === 'pg_dump') await restoreDump(options)
  else await restoreTables(options)
  await allowServiceLogins(ownerUrl)
  await restoreAttachments(options)
  if (await withClient(ownerUrl, hasVectors))
    options.say('Vectors are in no backup: the schedule rag-vectors has those made anew that are missing, once an embedding model is set up.')
}

async function restoreDump({ ownerUrl, folder, manifest, say }: RestoreOptions): Promise<void> {
  const needed = Math.floor(manifest.server_version / 10_000)
  const tool = findPgTool('pg_restore', needed)
  if (!tool) throw new BackupError(`This backup needs pg_restore of version ${needed} or newer. Install postgresql-client-${needed}.`)
  say(`Restoring with ${tool.path} (version ${tool.major}).`)
  await ensureServiceRoles(ownerUrl)
  await runPgTool(tool, ownerUrl, ['--single-transaction', '--exit-on-error', '--no-owner', join(folder, 'database.dump')])
  await withClient(ownerUrl, async (client) => {
    await client.query('begin read only')
    await compare(client, manifest)
  })
}

async function restoreTables({ ownerUrl, folder, manifest, say }: RestoreOptions): Promise<void> {
  const last = manifest.migrations.at(-1)!
  const known = (await knownMigrations()).filter((name) => name <= last)
  const foreign = [...manifest.migrations.filter((name) => !known.includes(name)), ...known.filter((name) => !manifest.migrations.includes(name))]
  if (foreign.length > 0)
    throw new BackupError(`The backup was made by another version (${manifest.program}): ${foreign.join(', ')}. Restore it with that version, then migrate up.`)
  say(`Making the tables as of ${last}.`)
  await migrate(ownerUrl, 'up', { to: last })
  await withClient(ownerUrl, async (client) => {
    await client.query('begin')
    await readAlike(client)
    const keys = await beginLoad(client, manifest.tables)
    for (const table of manifest.tables) {
      if (table.rows > 0) say(`${table.name}: ${table.rows} rows`)
      await pipeline(createReadStream(join(folder, tableFile(table.name))), createGunzip(), copyIn(client, table))
    }
    await endLoad(client, manifest.tables, keys, manifest.sequences)
    await compare(client, manifest)
    await client.query('commit')
    await client.query('analyze')
  })
}

/** Every table has the rows that the backup had seen, and no table has come in addition. */
async function compare(client: pg.Client, { tables }: Manifest): Promise<void> {
  await readAlike(client)
  const there = await listTables(client)
  const names = (list: readonly { name: string }[]) => list.map(({ name }) => name).join(', ')
  if (names(there) !== names(tables)) throw new BackupError(`The restored tables are others: ${names(there)} instead of ${names(tables)}.`)
  for (const { name, rows, hash } of tables) {
    const restored = await fingerprintOf(client, name)
    if (restored.rows !== rows || restored.hash !== hash)
      throw new BackupError(`The table ${name} is not what it was: ${restored.rows} rows instead of ${rows}, or another content.`)
  }
}

async function restoreAttachments({ ownerUrl, folder, attachmentsDirectory }: RestoreOptions): Promise<void> {
  const files = await withClient(ownerUrl, listAttachmentKeys)
  const source = join(folder, 'attachments')
  const { missing, damaged } = await copyFiles(files, source, attachmentsDirectory, () => {}).catch((error: unknown) => {
    if (!isOfFolder(error)) throw error
    throw new BackupError(
      `The database is restored, its attachments are not: ${error.message}. See to ${attachmentsDirectory}, then copy there what is in ${source}.`,
    )
  })
  const wrong = [...missing, ...damaged]
  if (wrong.length > 0) throw new BackupError(`Attachments could not be restored to ${attachmentsDirectory}: ${wrong.join(', ')}.`)
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
