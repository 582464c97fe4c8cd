import { randomBytes } from 'node:crypto'
import { after } from 'node:test'
import pg from 'pg'
import { sqlState } from '#db/errors.ts'
import { serviceUrls } from '#db/logins.ts'
import { openDatabase } from '#db/pool.ts'
import type { Database } from '#db/pool.ts'

const OBJECT_IN_USE = '55006'

/** A database of the test file's own. */
export interface TestDatabase extends Database {
  /** The owner's address: migrations, and looking behind row-level security. */
  ownerUrl: string
  /** One statement as the owner, who sees every row. */
  owner<Row extends pg.QueryResultRow = pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
}

/** Clones the migrated template (empty: an unmigrated database); it is dropped when the file's tests are over. */
export async function testDatabase({ empty = false }: { empty?: boolean } = {}): Promise<TestDatabase> {
  const template = process.env['TEST_TEMPLATE_URL']
  if (!template) throw new Error('No test cluster: run the tests with npm test, or with --test-global-setup=test/support/cluster.ts')
  const name = `test_${randomBytes(6).toString('hex')}`
  const at = (database: string): string => {
    const url = new URL(template)
    url.pathname = `/${database}`
    return url.href
  }
  await whenFree(at('postgres'), `create database ${name} template ${empty ? 'template0' : 'atum_desk'} strategy file_copy`)
  const ownerUrl = at(name)
  const database = await openDatabase(serviceUrls(ownerUrl), { size: 10, name: 'test' })
  const owner = connectOwner(ownerUrl)
  after(async () => {
    await database.end().catch(() => {})
    await owner.end().catch(() => {})
    await whenFree(at('postgres'), `drop database if exists ${name} with (force)`)
  })
  return {
    ...database,
    ownerUrl,
    owner: owner.query,
  }
}

/** The owner's own connections: they see every row, and survive a restart of the server. */
export function connectOwner(url: string): { query: TestDatabase['owner']; end(): Promise<void> } {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  pool.on('error', () => {})
  return { query: async <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => (await pool.query<Row>(text, values)).rows, end: () => pool.end() }
}

/** Sessions that are ending may hold a database up longer than the five seconds for which PostgreSQL waits for them. */
function whenFree(url: string, statement: string): Promise<void> {
  const done = async (): Promise<boolean> => {
    try {
      await once(url, statement)
      return true
    } catch (error) {
      if (sqlState(error) !== OBJECT_IN_USE) throw error
      return false
    }
  }
  return until(done, statement)
}

async function once(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}

/** Waits for a fact, asking again and again; a test's own way of not sleeping. */
export async function until(fact: () => Promise<boolean> | boolean, what: string, timeoutMs = 180_000, everyMs = 20): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await fact())) {
    if (performance.now() > end) throw new Error(`did not happen within ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}
