import { timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { Config } from '#config.ts'
import { ping } from '#db/health.ts'
import type { Database } from '#db/pool.ts'
import { metrics, registry } from '#metrics.ts'
import { showPools } from '#pool-gauges.ts'
import { ownCounts } from '#process-counts.ts'
import { checkPort, listenOn } from './listen.ts'
import { ASK_COUNTS } from './worker-process.ts'

const PATIENCE_MS = 1_000

/** Serves the worker's own metrics at /metrics on WORKER_METRICS_PORT (0: not at all): open to this machine, to others with METRICS_TOKEN. */
export async function serveWorkerMetrics(config: Config, database: Database): Promise<string | null> {
  if (config.WORKER_METRICS_PORT === 0) return null
  const where = { ...config, PORT: config.WORKER_METRICS_PORT }
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') response.writeHead(404).end()
    else if (!isAllowed(request, config.METRICS_TOKEN)) response.writeHead(401, { 'www-authenticate': 'Bearer' }).end()
    else void answer(response, database)
  })
  await checkPort(where)
  server.unref()
  const listen = ({ host, port }: { host: string; port: number }): Promise<string> => new Promise((resolve) => server.listen(port, host, () => resolve('')))
  return listenOn({ listen, server }, where)
}

/** Tells the program that started this worker what was counted here, whenever it asks. */
export function tellCounts(): void {
  process.on('message', (message) => {
    if (message !== ASK_COUNTS) return
    void ownCounts().then((counts) => process.connected && process.send!({ counts }))
  })
  process.channel?.unref()
}

async function answer(response: ServerResponse, database: Database): Promise<void> {
  try {
    showPools(database)
    metrics.databaseUp.set((await answersSoon(database)) ? 1 : 0)
    const text = await registry.metrics()
    response.writeHead(200, { 'content-type': registry.contentType }).end(text)
  } catch (error) {
    response.writeHead(500).end((error as Error).message)
  }
}

/** Whether the database answers a query for nothing within a second: a scrape must not wait for one that hangs. */
async function answersSoon(database: Database): Promise<boolean> {
  const answer = ping(database.system).then(
    () => true,
    () => false,
  )
  return Promise.race([answer, pause(PATIENCE_MS, false, { ref: false })])
}

function isAllowed(request: IncomingMessage, token: string | undefined): boolean {
  if (/^(::1|127\.|::ffff:127\.)/.test(request.socket.remoteAddress ?? '')) return true
  const given = Buffer.from(request.headers.authorization ?? '')
  const wanted = Buffer.from(`Bearer ${token ?? ''}`)
  return token !== undefined && given.length === wanted.length && timingSafeEqual(given, wanted)
}
