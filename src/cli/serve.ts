import { Command } from 'commander'
import { readEmbeddingsConfig } from '#ai/embeddings-config.ts'
import { readConfig } from '#config.ts'
import { readDeliveryConfig } from '#jobs/delivery-config.ts'
import type { Api } from './api.ts'
import { requireOwnerUrl } from './connection.ts'
import { examples, print, sayer } from './output.ts'
import { whenReachable } from './reach.ts'
import { listenForStop, whenAborted } from './stop.ts'
import { reportToSystemd } from './systemd.ts'

export function serveCommand(): Command {
  return new Command('serve')
    .description('serve the API and the console; the database is migrated already (see migrate up)')
    .option('--json', 'print where it listens as JSON')
    .addHelpText(
      'after',
      `${examples('serve', 'serve --json')}\n\nPORT, HOST, DATABASE_URL, ATUM_SECRET and DATABASE_POOL_SIZE are read from the environment.\nSeveral machines need the same ATUM_SECRET.`,
    )
    .action(serve)
}

async function serve({ json }: { json?: boolean }): Promise<void> {
  const config = readConfig()
  readEmbeddingsConfig()
  readDeliveryConfig()
  const stop = listenForStop()
  const [{ startApi, CLOSE_MS }, { ensureConsole }, { ping }, { createLogger }] = await Promise.all([
    import('./api.ts'),
    import('./console.ts'),
    import('#db/health.ts'),
    import('#log.ts'),
  ])
  const log = createLogger(config.LOG_LEVEL, 'api')
  await ensureConsole(sayer(json))
  const ownerUrl = await requireOwnerUrl(config)
  let api: Api | null = null
  const systemd = reportToSystemd({
    roundTrip: async () => api && ping(api.database.system),
    status: () => (api ? `serving ${api.url}` : 'waiting for the database'),
    log,
  })
  api = await whenReachable(() => startApi(config, ownerUrl), stop.asked, log, { waitMs: config.DATABASE_WAIT_MS })
  if (!api) process.exit(0)
  const { url } = api
  print(json, { url, console: `${url}/console`, pid: process.pid }, () => `Serving ${url} (console: ${url}/console).`)
  await systemd.ready()
  await whenAborted(stop.asked)
  void systemd.stopping(CLOSE_MS)
  await Promise.race([api.close(), whenAborted(stop.hurried)])
  process.exit(stop.hurried.aborted ? 130 : 0)
}
