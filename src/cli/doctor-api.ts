import { randomUUID } from 'node:crypto'
import type { Config } from '#config.ts'
import { countApiConnections, findCallers } from '#db/doctor.ts'
import type { Database } from '#db/pool.ts'
import { keptSecret } from './data-files.ts'

const PATIENCE_MS = 10_000
const NAMED_MAX = 5

export interface Verdict {
  ok: boolean
  detail: string
}

/** The address under which the API of this configuration should answer. */
export function apiAddress({ HOST, PORT }: Config): string {
  const host = HOST === '0.0.0.0' || HOST === '::' ? '127.0.0.1' : HOST.includes(':') ? `[${HOST}]` : HOST
  return `http://${host}:${PORT}`
}

/** Whether the API has started: it answers at its address, or at least is connected to this database. */
export async function checkApi({ system }: Database, url: string, isNamed: boolean): Promise<Verdict> {
  const health = await get(`${url}/api/v1/health`)
  if (health.status === 200 && /"status":/.test(health.text)) return { ok: true, detail: `${url} answers` }
  const trouble = health.status === 0 ? `does not answer (${health.text})` : `answers ${health.status}`
  if (!isNamed && (await countApiConnections(system)) > 0)
    return { ok: true, detail: `one is connected to the database, not the one at ${url}; name it with --url to have its routes tried` }
  return { ok: false, detail: `${url} ${trouble}. Run: atum-desk serve` }
}

/**
 * Tries every route that reads and needs no id, as an admin and as an operator, and asks the API what it has answered
 * since it started. A fault of the service (500) in either is a reason to roll back.
 */
export async function checkRoutes({ system }: Database, config: Config, url: string): Promise<Verdict> {
  const document = await get(`${url}/api/v1/openapi.json`)
  if (document.status !== 200) return { ok: false, detail: `${url}/api/v1/openapi.json answers ${document.status}` }
  const { paths } = JSON.parse(document.text) as { paths: Record<string, { get?: unknown }> }
  const readable = Object.keys(paths).filter((path) => paths[path]!.get !== undefined && !path.includes('{') && !path.endsWith('/events'))
  const tokens = await callerTokens(system, config)
  const faults: string[] = []
  let tried = 0
  for (const path of readable) {
    for (const token of tokens.length > 0 ? tokens : [undefined]) {
      const { status, text } = await get(url + path, token)
      tried += 1
      if (status === 0 || status >= 500) faults.push(`GET ${path} ${status || text}`)
    }
  }
  faults.push(...faultsIn((await get(`${url}/api/v1/metrics`, config.METRICS_TOKEN)).text))
  const found = [...new Set(faults)]
  const who = tokens.length > 0 ? '' : ', without signing in: no account or no ATUM_SECRET here'
  if (found.length === 0) return { ok: true, detail: `${tried} requests to ${readable.length} routes, and none of the requests so far, met a fault${who}` }
  return {
    ok: false,
    detail: `faults of the service: ${found.slice(0, NAMED_MAX).join(', ')}${found.length > NAMED_MAX ? ` and ${found.length - NAMED_MAX} more` : ''}`,
  }
}

async function callerTokens(system: Database['system'], config: Config): Promise<string[]> {
  const secret = await keptSecret(config)
  if (!secret) return []
  const { accessTokens } = await import('#http/tokens.ts')
  const signer = accessTokens(secret)
  return Promise.all((await findCallers(system)).map((caller) => signer.sign({ ...caller, sign_in_id: randomUUID() })))
}

/** What the metrics tell of answers with 500: routes and how often. */
function faultsIn(metrics: string): string[] {
  const lines = metrics.matchAll(/^atum_http_requests_total\{method="(\w+)",endpoint="([^"]+)",status="500"\} (\d+)/gm)
  return [...lines].map(([, method, endpoint, times]) => `${method} ${endpoint} 500 (${times} times since the start)`)
}

async function get(url: string, token?: string): Promise<{ status: number; text: string }> {
  try {
    const answer = await fetch(url, {
      headers: token ? { authorization: `Bearer ${token}` } : {},
      signal: AbortSignal.timeout(PATIENCE_MS),
      redirect: 'manual',
    })
    return { status: answer.status, text: await answer.text() }
  } catch (error) {
    const { cause, message } = error as Error
    return { status: 0, text: (cause as NodeJS.ErrnoException | undefined)?.code ?? message }
  }
}
