import { Command } from 'commander'
import { readConfig } from '#config.ts'
import { requireOwnerUrl } from './connection.ts'
import { examples, print, sayer } from './output.ts'
import { listenForStop, whenAborted } from './stop.ts'

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
  const stop = listenForStop()
  const [{ startApi }, { ensureConsole }] = await Promise.all([import('./api.ts'), import('./console.ts')])
  await ensureConsole(sayer(json))
  const api = await startApi(config, await requireOwnerUrl(config))
  print(json, { url: api.url, console: `${api.url}/console`, pid: process.pid }, () => `Serving ${api.url} (console: ${api.url}/console).`)
  await whenAborted(stop.asked)
  await Promise.race([api.close(), whenAborted(stop.hurried)])
  process.exit(stop.hurried.aborted ? 130 : 0)
}
