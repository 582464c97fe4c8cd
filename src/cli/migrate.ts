import { Command, InvalidArgumentError, Option } from 'commander'
import { LIMITS, readConfig } from '#config.ts'
import { withOwnerUrl } from './connection.ts'
import { examples, print, table } from './output.ts'

interface MigrateOptions {
  to?: string
  lockTimeout?: number
  json?: boolean
}

export function migrateCommand(): Command {
  const command = new Command('migrate').description('bring the database to another version of the schema')
  command
    .command('up')
    .description('apply what is missing, up to the newest migration or the one that is named')
    .option('--to <name>', 'a migration, as "migrate status" lists it; the part behind its number is enough')
    .addOption(lockTimeout())
    .option('--json', 'print the names as JSON')
    .addHelpText('after', examples('migrate up', 'migrate up --to rag_graph'))
    .action((options: MigrateOptions) => move('up', options))
  command
    .command('down')
    .description('undo the newest migration, or all down to the one that is named, which stays')
    .option('--to <name>', 'the migration that stays')
    .addOption(lockTimeout())
    .option('--json', 'print the names as JSON')
    .addHelpText('after', examples('migrate down', 'migrate down --to rag_graph'))
    .action((options: MigrateOptions) => move('down', options))
  command
    .command('plan')
    .description('list what "migrate up" would apply, which tables it touches, and whom it would hold up; nothing is changed')
    .option('--to <name>', 'up to this migration')
    .option('--json', 'print the plan as JSON')
    .addHelpText('after', examples('migrate plan', 'migrate plan --json'))
    .action(plan)
  command
    .command('status')
    .description('list the migrations and when each was applied')
    .option('--json', 'print them as JSON')
    .addHelpText('after', examples('migrate status', 'migrate status --json'))
    .action(status)
  return command.addHelpText('after', examples('migrate up', 'migrate down --to rag_graph', 'migrate status'))
}

/** Longer on a database that is idle, shorter where nobody may wait. */
function lockTimeout(): Option {
  return new Option('--lock-timeout <ms>', 'how long to wait for a table before letting others pass and trying again')
    .argParser(wholeNumber)
    .default(LIMITS.LOCK_TIMEOUT_MS)
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a number from 1 on')
  return value
}

async function move(direction: 'up' | 'down', { to, json, lockTimeout: lockTimeoutMs }: MigrateOptions): Promise<void> {
  const { migrate } = await import('#db/migrations.ts')
  const { allowServiceLogins, checkOwner } = await import('#db/logins.ts')
  await withOwnerUrl(
    readConfig(),
    async (url) => {
      if (direction === 'up') await checkOwner(url)
      const log = (line: string): void => void (/tried again/.test(line) && process.stderr.write(`${line}\n`))
      const names = await migrate(url, direction, { to, lockTimeoutMs, log })
      const vectors = direction === 'up' ? await (await import('./prepare.ts')).makeRoomForVectors(url) : null
      if (direction === 'up') await allowServiceLogins(url)
      const verb = direction === 'up' ? 'Applied' : 'Undid'
      print(json, { direction, migrations: names }, () => {
        const said = [...names.map((name) => `${verb} ${name}`), ...(vectors ? [vectors] : [])]
        return said.length === 0 ? 'Nothing to do.' : said.join('\n')
      })
    },
    { mayCreate: direction === 'up' },
  )
}

async function plan({ to, json }: MigrateOptions): Promise<void> {
  const { planMigrations } = await import('#db/migration-plan.ts')
  await withOwnerUrl(readConfig(), async (url) => {
    const migrations = await planMigrations(url, 'up', { to })
    print(json, { migrations, lock_timeout_ms: LIMITS.LOCK_TIMEOUT_MS }, () => {
      if (migrations.length === 0) return 'Nothing to do.'
      const nothing = { statement: null, table: 'none that is there', blocks: 'nothing', rows: null, bytes: null }
      const touches = migrations.flatMap(({ name, touches }) => (touches.length === 0 ? [nothing] : touches).map((touch) => ({ name, ...touch })))
      return `${table(touches, ['name', 'statement', 'table', 'blocks', 'rows', 'bytes'])}\nNobody waits longer than ${LIMITS.LOCK_TIMEOUT_MS} ms for a lock that is not granted; what is granted lasts as long as its migration.`
    })
  })
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
