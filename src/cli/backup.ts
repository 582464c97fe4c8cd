import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { attachmentsDirectory, readConfig } from '#config.ts'
import type { Method } from '#backup/take.ts'
import { withOwnerUrl } from './connection.ts'
import { examples, print, sayer } from './output.ts'

interface BackupCommandOptions {
  keep?: number
  method: Method
  json?: boolean
}

export function backupCommand(): Command {
  return new Command('backup')
    .description('keep the database and the attachments in a new folder, with checksums; the service may go on')
    .argument('<folder>', 'where backups lie; the new one gets a folder there, named by its time')
    .option('--keep <n>', 'remove the oldest afterwards, so that this many are left', atLeastOne)
    .addOption(
      new Option('--method <method>', 'pg_dump, where one of the version of the server is there, or COPY, which needs nothing')
        .choices(['auto', 'pg_dump', 'copy'])
        .default('auto'),
    )
    .option('--json', 'print what was kept as JSON')
    .addHelpText('after', examples('backup /var/backups/atum-desk --keep 14', 'backup . --json'))
    .action(backup)
}

async function backup(folder: string, { keep, method, json }: BackupCommandOptions): Promise<void> {
  const config = readConfig()
  const { takeBackup, prune } = await import('#backup/take.ts')
  const parent = resolve(folder)
  await withOwnerUrl(config, async (ownerUrl) => {
    const made = await takeBackup({ ownerUrl, parent, attachmentsDirectory: attachmentsDirectory(config), method, say: sayer(json) })
    const removed = keep === undefined ? [] : await prune(parent, keep)
    const { tables, attachments } = made.manifest
    const rows = tables.reduce((sum, table) => sum + table.rows, 0)
    const facts = { folder: made.folder, method: made.manifest.method, tables: tables.length, rows, attachments, removed }
    print(json, facts, () => `Kept ${rows} rows of ${tables.length} tables and ${attachments} attachments in ${made.folder}`)
  })
}

function atLeastOne(text: string): number {
  const count = Number(text)
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('must be a number from 1 on')
  return count
}
