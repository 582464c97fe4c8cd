import { chmod, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeEmbedded, startEmbeddedPostgres } from '#db/embedded.ts'
import type { EmbeddedPostgres } from '#db/embedded.ts'
import { allowServiceLogins } from '#db/logins.ts'
import { migrate } from '#db/migrations.ts'

/** Forgets on a power cut, which a test does not have; survives kill -9 all the same. */
const FORGETFUL = { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '1000', max_wal_size: '4GB' }

let directory = ''
let cluster: EmbeddedPostgres | undefined

/** Runs once before all test files: one PostgreSQL, one migrated database that each file clones. */
export async function globalSetup(): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'atum-desk-test-'))
  // For root, whose PostgreSQL runs under another account: it may pass through to its cluster.
  await chmod(directory, 0o711)
  cluster = await startEmbeddedPostgres({ directory, settings: FORGETFUL })
  await migrate(cluster.url, 'up')
  await allowServiceLogins(cluster.url)
  process.env['TEST_TEMPLATE_URL'] = cluster.url
}

export async function globalTeardown(): Promise<void> {
  await cluster?.stop()
  await removeEmbedded(directory)
}
