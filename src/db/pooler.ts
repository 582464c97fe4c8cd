import pg from 'pg'

/**
 * Whether something stands between us and the server that gives each transaction another connection, as PgBouncer does in
 * transaction mode: it hands out keys of its own, so that the process of the key is not the one that answers.
 */
export async function isPooled(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    // The types leave it out: what the server's BackendKeyData said at the start of the connection.
    return rows[0]!.pid !== (client as pg.Client & { processID: number | null }).processID
  } finally {
    await client.end()
  }
}
