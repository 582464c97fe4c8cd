import { existsSync } from 'node:fs'
import { clusterFiles } from '#db/embedded-cluster.ts'
import { runningEmbeddedUrl, startEmbeddedPostgres } from '#db/embedded.ts'
import { serviceUrls } from '#db/logins.ts'
import { openDatabase } from '#db/pool.ts'
import type { Database } from '#db/pool.ts'
import type { Config } from '#config.ts'
import { Refusal } from './failure.ts'
import { takeLock } from './lock.ts'

const POOL_SIZE = 2

/** The owner's address of the database that runs: DATABASE_URL, or the embedded server that `up` runs; null where none does. */
export async function runningOwnerUrl(config: Config): Promise<string | null> {
  return config.DATABASE_URL ?? (await runningEmbeddedUrl(config.ATUM_DATA_DIR))
}

/**
 * The owner's address, for a process that lives as long as the database does.
 *
 * @throws Refusal where no database runs
 */
export async function requireOwnerUrl(config: Config): Promise<string> {
  const url = await runningOwnerUrl(config)
  if (!url) throw new Refusal(`No database runs on ${config.ATUM_DATA_DIR}. Run "atum-desk up", or set DATABASE_URL.`)
  return url
}

/** Does `work` with the owner's address. Where no server runs, the embedded one is started for as long as that takes. */
export async function withOwnerUrl<T>(config: Config, work: (url: string) => Promise<T>, { mayCreate = false } = {}): Promise<T> {
  const running = await runningOwnerUrl(config)
  if (running) return work(running)
  if (!mayCreate && !existsSync(clusterFiles(config.ATUM_DATA_DIR).cluster)) await requireOwnerUrl(config)
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  const lock = await takeLock(config.ATUM_DATA_DIR, say)
  try {
    const server = await startEmbeddedPostgres({ directory: config.ATUM_DATA_DIR, say })
    try {
      return await work(server.url)
    } finally {
      await server.stop()
    }
  } finally {
    await lock.release()
  }
}

/** Does `work` with both pools, as the service's own roles. */
export async function withDatabase<T>(config: Config, work: (database: Database, ownerUrl: string) => Promise<T>): Promise<T> {
  return withOwnerUrl(config, async (url) => {
    const database = await openDatabase(serviceUrls(url), { size: POOL_SIZE, name: 'atum-desk cli' })
    try {
      return await work(database, url)
    } finally {
      await database.end()
    }
  })
}
