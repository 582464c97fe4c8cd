import { resolve } from 'node:path'
import { Command } from 'commander'
import { attachmentsDirectory, readConfig } from '#config.ts'
import { withOwnerUrl } from './connection.ts'
import { examples, print, sayer } from './output.ts'

interface RestoreCommandOptions {
  check?: boolean
  json?: boolean
}

export function restoreCommand(): Command {
  return new Command('restore')
    .description('fill an empty database with a backup, and compare every table with what it was')
    .argument('<folder>', 'a backup, or the folder where backups lie: then the newest')
    .option('--check', 'only read the backup and compare its checksums; no database is touched')
    .option('--json', 'print what was restored as JSON')
    .addHelpText(
      'after',
      `${examples('restore /var/backups/atum-desk --check', 'restore /var/backups/atum-desk/2026-02-13T03-00-00-000Z')}\n\nThe database is that of DATABASE_URL, or a new embedded one in ATUM_DATA_DIR.`,
    )
    .action(restore)
}

async function restore(path: string, { check, json }: RestoreCommandOptions): Promise<void> {
  const config = readConfig()
  const [{ findBackup, restoreBackup }, { checkBackup }] = await Promise.all([import('#backup/restore.ts'), import('#backup/manifest.ts')])
  const folder = await findBackup(resolve(path))
  const manifest = await checkBackup(folder)
  const { tables, attachments, created_at } = manifest
  const facts = { folder, created_at, tables: tables.length, rows: tables.reduce((sum, table) => sum + table.rows, 0), attachments }
  if (check)
    return print(json, { ...facts, restored: false }, () => `${folder} is whole: ${facts.rows} rows of ${facts.tables} tables, ${attachments} attachments.`)
  await withOwnerUrl(
    config,
    (ownerUrl) => restoreBackup({ ownerUrl, folder, manifest, attachmentsDirectory: attachmentsDirectory(config), say: sayer(json) }),
    {
      mayCreate: true,
    },
  )
  print(
    json,
    { ...facts, restored: true },
    () => `Restored ${facts.rows} rows of ${facts.tables} tables and ${attachments} attachments as of ${created_at}; all are as they were.`,
  )
}
