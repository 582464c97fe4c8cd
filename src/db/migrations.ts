import { setTimeout as pause } from 'node:timers/promises'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import { LIMITS } from '#config.ts'
import { sqlState } from './errors.ts'
import { knownMigrations, MIGRATIONS_FOLDER, sqlLoader } from './migration-files.ts'

export { knownMigrations } from './migration-files.ts'

const TABLE = 'schema_migrations'

const RETRY_MS = { from: 500, spread: 1_500 }
/** So long a migration is tried again before it is given up. */
const PATIENCE_MS = 600_000
const LOCK_NOT_AVAILABLE = '55P03'

/** A migration and whether the database has it. */
export interface MigrationState {
  name: string
  applied_at: string | null
}

export class UnknownMigrationError extends Error {
  override name = 'UnknownMigrationError'
  constructor(wanted: string, known: string[]) {
    super(`No migration is called "${wanted}". There are: ${known.join(', ')}`)
  }
}

/** Which migrations the database has. Reads only; an empty database has none. */
export async function migrationStates(url: string, folder = MIGRATIONS_FOLDER): Promise<MigrationState[]> {
  const known = await knownMigrations(folder)
  return withClient(url, async (client) => {
    const there = await client.query<{ there: boolean }>(`select to_regclass('public.${TABLE}') is not null as there`)
    if (!there.rows[0]?.there) return known.map((name) => ({ name, applied_at: null }))
    const { rows } = await client.query<{ name: string; run_on: Date }>(`select name, run_on from ${TABLE}`)
    const applied = new Map(rows.map((row) => [row.name, row.run_on.toISOString()]))
    return known.map((name) => ({ name, applied_at: applied.get(name) ?? null }))
  })
}

export interface MigrateOptions {
  to?: string | undefined
  log?: ((line: string) => void) | undefined
  /** How long a statement waits for a lock, and everybody who wants the table behind it. */
  lockTimeoutMs?: number | undefined
  /** A test brings its own. */
  folder?: string | undefined
}

/**
 * Takes the database up to `to` (default: the newest) or down to it (it stays; default: the newest one is undone). Each
 * migration is a transaction of its own, under an advisory lock for which a second caller waits. A migration that does
 * not get a lock in time lets those pass who wait behind it, and is tried again.
 *
 * @param url a role that may create tables, roles and functions
 * @param to a migration's name, or the part behind its number: `rag_graph`
 * @returns the names of the migrations that ran, in order
 * @throws UnknownMigrationError
 */
export async function migrate(url: string, direction: 'up' | 'down', options: MigrateOptions = {}): Promise<string[]> {
  const ran: string[] = []
  for (const name of await pendingMigrations(url, direction, options)) ran.push(...(await runOne(url, direction, name, options)))
  if (direction === 'up' && ran.length > 0) await withClient(url, grantBookkeeping)
  return ran
}

/** The names that would run, in order. @throws UnknownMigrationError */
export async function pendingMigrations(url: string, direction: 'up' | 'down', { to, folder }: MigrateOptions = {}): Promise<string[]> {
  const states = await migrationStates(url, folder)
  const names = states.map((state) => state.name)
  const target = to === undefined ? undefined : names.find((name) => name === to || name.slice(name.indexOf('_') + 1) === to)
  if (to !== undefined && !target) throw new UnknownMigrationError(to, names)
  if (direction === 'up') return states.filter((state) => !state.applied_at && (!target || state.name <= target)).map((state) => state.name)
  const applied = states.filter((state) => state.applied_at).map((state) => state.name)
  return target ? applied.filter((name) => name > target).toReversed() : applied.slice(-1)
}

/** @returns the name, or nothing where another starter was quicker */
async function runOne(
  url: string,
  direction: 'up' | 'down',
  name: string,
  { lockTimeoutMs = LIMITS.LOCK_TIMEOUT_MS, folder, log = () => {} }: MigrateOptions,
): Promise<string[]> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      const ran = await runner({
        databaseUrl: withLockTimeout(url, lockTimeoutMs),
        dir: folder ?? MIGRATIONS_FOLDER,
        migrationsTable: TABLE,
        migrationLoaderStrategies: [sqlLoader],
        direction,
        file: name,
        advisoryLockMode: 'wait',
        checkOrder: true,
        logger: { info: log, warn: log, error: log },
      })
      return ran.map((migration) => migration.name)
    } catch (error) {
      if (sqlState(error) !== LOCK_NOT_AVAILABLE || performance.now() > end) throw error
      log(`${name}: a table is in use, or another migration runs; it is tried again`)
      await pause(RETRY_MS.from + Math.random() * RETRY_MS.spread)
    }
  }
}

function withLockTimeout(url: string, milliseconds: number): string {
  const address = new URL(url)
  const options = address.searchParams.get('options')
  address.searchParams.set('options', [options, `-c lock_timeout=${milliseconds}`].filter(Boolean).join(' '))
  return address.href
}

/** The service reads which migrations there are (health), and nothing else of the bookkeeping. */
async function grantBookkeeping(client: pg.Client): Promise<void> {
  await client.query(`grant select on ${TABLE} to atum_app, atum_system`)
}

export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'atum-desk migrate' })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
