import pg from 'pg'

/** Runs `work` on a connection of its own; as the owner, who sees every row. */
export async function withOwner<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'atum-desk bench' })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

export async function ask<Row extends pg.QueryResultRow>(url: string, text: string, values: unknown[] = []): Promise<Row[]> {
  return withOwner(url, async (client) => (await client.query<Row>(text, values)).rows)
}

/** A new, empty database in place of an older one of that name. */
export async function freshDatabase(server: { url(database: string): string }, name: string): Promise<string> {
  await withOwner(server.url('postgres'), async (client) => {
    await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`)
    await client.query(`create database ${client.escapeIdentifier(name)}`)
    await client.query('checkpoint')
  })
  return server.url(name)
}

/** What autovacuum and the checkpointer would have done in a database that is not a second old. */
export async function settle(url: string): Promise<void> {
  await withOwner(url, async (client) => {
    await client.query('vacuum analyze')
    await client.query('checkpoint')
  })
}
