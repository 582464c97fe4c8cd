import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { startEmbeddedPostgres } from '#db/embedded.ts'
import type { EmbeddedPostgres } from '#db/embedded.ts'

/** The same server for everyone: durable as it comes, with memory for the working set. */
export const SERVER_SETTINGS = { shared_buffers: '2GB', max_wal_size: '8GB', checkpoint_timeout: '30min', max_connections: '200' }

/** A PostgreSQL of the benchmark's own; set BENCH_DATABASE_URL to measure on another one. */
export async function benchServer(): Promise<{ url(database: string): string; stop(): Promise<void> }> {
  const given = process.env['BENCH_DATABASE_URL']
  let embedded: EmbeddedPostgres | undefined
  let directory = ''
  if (!given) {
    directory = await mkdtemp(join(tmpdir(), 'atum-desk-bench-'))
    embedded = await startEmbeddedPostgres({ directory, settings: SERVER_SETTINGS })
  }
  const base = given ?? embedded!.url
  return {
    url: (database) => {
      const url = new URL(base)
      url.pathname = `/${database}`
      return url.href
    },
    stop: async () => {
      await embedded?.stop()
      if (directory) await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A new, empty database in place of an older one of that name. */
export async function freshDatabase(server: { url(database: string): string }, name: string): Promise<string> {
  const client = new pg.Client({ connectionString: server.url('postgres') })
  await client.connect()
  await client.query(`drop database if exists ${name} with (force)`)
  await client.query(`create database ${name}`)
  await client.query('checkpoint')
  await client.end()
  return server.url(name)
}
