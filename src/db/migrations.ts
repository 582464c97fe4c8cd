import { setTimeout as pause } from 'node:timers/promises'
import { PG_MIGRATE_LOCK_ID, runner } from 'node-pg-migrate'
import pg from 'pg'
import { LIMITS } from '#config.ts'
import { isDatabaseAway, sqlState } from './errors.ts'
import { knownMigrations, MIGRATIONS_FOLDER, sqlLoader } from './migration-files.ts'

export { knownMigrations } from './migration-files.ts'

const TABLE = 'schema_migrations'

const RETRY_MS = { from: 500, spread: 1_500 }
/** So long a migration is tried again before it is given up. */
const PATIENCE_MS = 600_000
/** A lock was not to be had in time, or not at all: a starter that waits for its turn may hold up a build that is concurrent. */
const TRIED_AGAIN = new Set(['55P03', '40P01'])

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

/** PostgreSQL refused a migration; what it says stays the cause. */
export class MigrationFailedError extends Error {
  override name = 'MigrationFailedError'
  constructor(migration: string, cause: Error) {
    super(`The migration ${migration} failed: ${cause.message}. What was applied before it stays. Mend it and migrate again, or roll back: docs/runbook.md.`, {
      cause,
    })
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
  if (direction === 'up' && ran.length > 0) await grantBookkeeping(url, options)
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
async function runOne(url: string, direction: 'up' | 'down', name: string, options: MigrateOptions): Promise<string[]> {
  const { lockTimeoutMs, folder, log = () => {} } = options
  const ran = await patiently(name, log, () =>
    runner({
      databaseUrl: withLockTimeout(url, lockTimeoutMs),
      dir: folder ?? MIGRATIONS_FOLDER,
      migrationsTable: TABLE,
      migrationLoaderStrategies: [sqlLoader],
      direction,
      file: name,
      advisoryLockMode: 'wait',
      checkOrder: true,
      logger: { info: log, warn: log, error: log },
    }),
  ).catch((error: unknown) => {
    throw error instanceof Error && sqlState(error) && !isDatabaseAway(error) ? new MigrationFailedError(name, error) : error
  })
  return ran.map((migration) => migration.name)
}

/** Does it again as long as it does not get a lock. */
async function patiently<T>(name: string, log: (line: string) => void, work: () => Promise<T>): Promise<T> {
  const end = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!TRIED_AGAIN.has(sqlState(error) ?? '') || performance.now() > end) throw error
      log(`${name}: a table is in use, or another migration runs; it is tried again`)
      await pause(RETRY_MS.from + Math.random() * RETRY_MS.spread)
    }
  }
}

function withLockTimeout(url: string, milliseconds: number = LIMITS.LOCK_TIMEOUT_MS): string {
  const address = new URL(url)
  const options = address.searchParams.get('options')
  address.searchParams.set('options', [options, `-c lock_timeout=${milliseconds}`].filter(Boolean).join(' '))
  return address.href
}

/** The service reads which migrations there are (health), and nothing else of the bookkeeping. */
async function grantBookkeeping(url: string, options: MigrateOptions): Promise<void> {
  await inTurn(url, TABLE, (client) => client.query(`grant select on ${TABLE} to atum_app, atum_system`), options)
}

/**
 * Changes the catalogue in a transaction, as the migrations do one starter after the other: where two change one row of
 * it at once, PostgreSQL refuses one of them.
 *
 * @param what for the log
 */
export async function inTurn<T>(
  url: string,
  what: string,
  work: (client: pg.Client) => Promise<T>,
  { lockTimeoutMs = LIMITS.LOCK_TIMEOUT_MS, log = () => {} }: Pick<MigrateOptions, 'lockTimeoutMs' | 'log'> = {},
): Promise<T> {
  return patiently(what, log, () =>
    withClient(url, async (client) => {
      await client.query('begin')
      await client.query(`set local lock_timeout = ${lockTimeoutMs}`)
      await client.query(`select pg_advisory_xact_lock(${PG_MIGRATE_LOCK_ID})`)
      const result = await work(client)
      await client.query('commit')
      return result
    }),
  )
}

export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'atum-desk migrate' })
  // A connection that is lost between two statements is told by the next one.
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
