import { Command } from 'commander'
import { readConfig } from '#config.ts'
import { withOwnerUrl } from './connection.ts'
import { examples, print, table } from './output.ts'

interface MigrateOptions {
  to?: string
  json?: boolean
}

export function migrateCommand(): Command {
  const command = new Command('migrate').description('bring the database to another version of the schema')
  command
    .command('up')
    .description('apply what is missing, up to the newest migration or the one that is named')
    .option('--to <name>', 'a migration, as "migrate status" lists it; the part behind its number is enough')
    .option('--json', 'print the names as JSON')
    .addHelpText('after', examples('migrate up', 'migrate up --to rag_graph'))
    .action((options: MigrateOptions) => move('up', options))
  command
    .command('down')
    .description('undo the newest migration, or all down to the one that is named, which stays')
    .option('--to <name>', 'the migration that stays')
    .option('--json', 'print the names as JSON')
    .addHelpText('after', examples('migrate down', 'migrate down --to rag_graph'))
    .action((options: MigrateOptions) => move('down', options))
  command
    .command('status')
    .description('list the migrations and when each was applied')
    .option('--json', 'print them as JSON')
    .addHelpText('after', examples('migrate status', 'migrate status --json'))
    .action(status)
  return command.addHelpText('after', examples('migrate up', 'migrate down --to rag_graph', 'migrate status'))
}

async function move(direction: 'up' | 'down', { to, json }: MigrateOptions): Promise<void> {
  const { migrate } = await import('#db/migrations.ts')
  const { allowServiceLogins, checkOwner } = await import('#db/logins.ts')
  await withOwnerUrl(
    readConfig(),
    async (url) => {
      if (direction === 'up') await checkOwner(url)
      const names = await migrate(url, direction, { to })
      if (direction === 'up') await allowServiceLogins(url)
      const verb = direction === 'up' ? 'Applied' : 'Undid'
      print(json, { direction, migrations: names }, () => (names.length === 0 ? 'Nothing to do.' : names.map((name) => `${verb} ${name}`).join('\n')))
    },
    { mayCreate: direction === 'up' },
  )
}

async function status({ json }: MigrateOptions): Promise<void> {
  const { migrationStates } = await import('#db/migrations.ts')
  await withOwnerUrl(readConfig(), async (url) => {
    const states = await migrationStates(url)
    print(json, { migrations: states }, () =>
      table(
        states.map((state) => ({ ...state, applied_at: state.applied_at ?? 'not applied' })),
        ['name', 'applied_at'],
      ),
    )
  })
}
