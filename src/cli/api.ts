import { consoleDirectory } from '#console/directory.ts'
import type { Config } from '#config.ts'
import { serviceUrls } from '#db/logins.ts'
import { openDatabase } from '#db/pool.ts'
import type { Database } from '#db/pool.ts'
import { buildServer } from '#http/server.ts'
import { createLogger } from '#log.ts'
import { endTracing, startTracing } from '#tracing.ts'
import { accessSecret } from './data-files.ts'
import { listenOn } from './listen.ts'

/** How long answers that are on their way may take when the API closes; a push stream never ends by itself. */
export const CLOSE_MS = 5_000

/** The API, listening. */
export interface Api {
  /** Where a browser of this machine finds it. */
  url: string
  database: Database
  close(): Promise<void>
}

/** Opens the pools as the service's roles, and listens on HOST and PORT. */
export async function startApi(config: Config, ownerUrl: string): Promise<Api> {
  const log = createLogger(config.LOG_LEVEL, 'api')
  await startTracing(config, 'atum-desk-api', (facts, message) => log.warn(facts, message))
  const database = await openDatabase(serviceUrls(ownerUrl), { size: config.DATABASE_POOL_SIZE, name: 'atum-desk api' })
  const server = await buildServer({ config, database, secret: await accessSecret(config), log, consoleDirectory })
  const url = await listenOn(server, config)
  return {
    url,
    database,
    close: async () => {
      const patience = setTimeout(() => server.server.closeAllConnections(), CLOSE_MS)
      await server.close()
      clearTimeout(patience)
      await Promise.all([database.end(), endTracing()])
    },
  }
}
