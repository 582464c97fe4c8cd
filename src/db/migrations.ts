import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { runner } from 'node-pg-migrate'
import pg from 'pg'

const FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url))
const TABLE = 'schema_migrations'

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

/** The names of all migrations of this version, oldest first: `20260101000000_baseline`, ... */
export async function knownMigrations(): Promise<string[]> {
  const files = await readdir(FOLDER)
  return files
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -4))
    .toSorted()
}

/** Which migrations the database has. Reads only; an empty database has none. */
export async function migrationStates(url: string): Promise<MigrationState[]> {
  const known = await knownMigrations()
  return withClient(url, async (client) => {
    const there = await client.query<{ there: boolean }>(`select to_regclass('public.${TABLE}') is not null as there`)
    if (!there.rows[0]?.there) return known.map((name) => ({ name, applied_at: null }))
    const { rows } = await client.query<{ name: string; run_on: Date }>(`select name, run_on from ${TABLE}`)
    const applied = new Map(rows.map((row) => [row.name, row.run_on.toISOString()]))
    return known.map((name) => ({ name, applied_at: applied.get(name) ?? null }))
  })
}

/**
 * Takes the database up to `to` (default: the newest) or down to it (it stays; default: the newest one is undone).
 * One transaction, under an advisory lock for which a second caller waits.
 *
 * @param url a role that may create tables, roles and functions
 * @param to a migration's name, or the part behind its number: `rag_graph`
 * @returns the names of the migrations that ran, in order
 * @throws UnknownMigrationError
 */
export async function migrate(
  url: string,
  direction: 'up' | 'down',
  { to, log = () => {} }: { to?: string | undefined; log?: ((line: string) => void) | undefined } = {},
): Promise<string[]> {
  const states = await migrationStates(url)
  const names = states.map((state) => state.name)
  const target = to === undefined ? undefined : names.find((name) => name === to || name.slice(name.indexOf('_') + 1) === to)
  if (to !== undefined && !target) throw new UnknownMigrationError(to, names)
  const pending =
    direction === 'up'
      ? states.filter((state) => !state.applied_at && (!target || state.name <= target)).length
      : target
        ? states.filter((state) => state.applied_at && state.name > target).length
        : 1
  if (pending === 0) return []
  const ran = await runner({
    databaseUrl: url,
    dir: FOLDER,
    migrationsTable: TABLE,
    direction,
    // A second starter that waited for the lock finds fewer left; going up, "all up to the target" is what both want.
    count: direction === 'up' && !target ? Number.POSITIVE_INFINITY : pending,
    advisoryLockMode: 'wait',
    checkOrder: true,
    logger: { info: log, warn: log, error: log },
  })
  if (direction === 'up') await withClient(url, grantBookkeeping)
  return ran.map((migration) => migration.name)
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
