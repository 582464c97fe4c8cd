import { once } from 'node:events'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'

/** What a client process is told. */
export interface LoadPlan {
  address: string
  method: 'GET' | 'POST'
  /** Asked in turn by each connection. */
  paths: readonly string[]
  body: string | null
  /** One connection each, which asks again as soon as it is answered. */
  tokens: readonly string[]
  seconds: number
}

/** And what it found. */
export interface LoadFound {
  /** Of every answer with a status of 2xx, to its last byte. */
  milliseconds: number[]
  failed: number
  seconds: number
}

async function load({ address, method, paths, body, tokens, seconds }: LoadPlan): Promise<LoadFound> {
  const agent = new Agent({ keepAlive: true, maxSockets: tokens.length })
  const milliseconds: number[] = []
  let failed = 0
  const started = performance.now()
  const end = started + seconds * 1_000
  await Promise.all(
    tokens.map(async (token, connection) => {
      for (let n = connection; performance.now() < end; n += 1) {
        const asked = performance.now()
        const status = await ask(agent, `${address}${paths[n % paths.length]}`, method, token, body).catch(() => 0)
        if (status >= 200 && status < 300) milliseconds.push(performance.now() - asked)
        else failed += 1
      }
    }),
  )
  agent.destroy()
  return { milliseconds, failed, seconds: (performance.now() - started) / 1_000 }
}

async function ask(agent: Agent, url: string, method: string, token: string, body: string | null): Promise<number> {
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === null ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
  }
  const sent = request(url, { method, agent, headers })
  sent.end(body ?? undefined)
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  return response.statusCode ?? 0
}

const [plan] = (await once(process, 'message')) as [LoadPlan]
// What was found may be more than the pipe takes at once: it is cut off where the channel is closed before all is written.
process.send?.(await load(plan), () => process.disconnect?.())
