import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '#db/embedded.ts'
import type { EmbeddedPostgres } from '#db/embedded.ts'

/** The same server for everyone: durable as it comes, with memory for the working set. */
const SERVER_SETTINGS = { shared_buffers: '2GB', max_wal_size: '8GB', checkpoint_timeout: '30min', max_connections: '200' }

export interface BenchServer {
  url(database: string): string
  stop(): Promise<void>
}

/** A PostgreSQL of the benchmark's own; set BENCH_DATABASE_URL to measure on another one. */
export async function benchServer(): Promise<BenchServer> {
  const given = process.env['BENCH_DATABASE_URL']
  let embedded: EmbeddedPostgres | undefined
  let directory = ''
  if (!given) {
    directory = await mkdtemp(join(tmpdir(), 'atum-desk-bench-'))
    // Where root runs this, the account of the database must reach its folder: its cluster would lie elsewhere, and stay.
    await chmod(directory, 0o711)
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
