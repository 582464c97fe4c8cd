import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { isDatabaseAway } from '#db/errors.ts'

const PATIENCE_MS = 60_000

/** The owner's connections, which see every row. */
export interface Owner {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
  end(): Promise<void>
}

export function connectOwner(url: string): Owner {
  const pool = new pg.Pool({ connectionString: url, max: 2, connectionTimeoutMillis: 5_000, application_name: 'chaos' })
  pool.on('error', () => {})
  return {
    query: <Row extends pg.QueryResultRow>(text: string, values?: unknown[]) => insist(async () => (await pool.query<Row>(text, values)).rows),
    end: () => pool.end(),
  }
}

/** Does it, again and again while the database is away. For what may safely be done twice. */
export async function insist<T>(work: () => Promise<T>): Promise<T> {
  const until = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isDatabaseAway(error) || Date.now() > until) throw error
      await pause(100)
    }
  }
}
