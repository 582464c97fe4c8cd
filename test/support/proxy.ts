import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { after } from 'node:test'

/** A way to a server that can be cut as networks are: it refuses, or it takes everything and lets nothing through. */
export interface Proxy {
  /** The address of `target`, by way of the proxy. */
  url: string
  mend(): void
  refuse(): void
  stall(): void
  /** It answers as a PostgreSQL does that is coming up. */
  comeUp(): void
}

/** ErrorResponse: FATAL, 57P03. */
const COMING_UP = errorResponse({ S: 'FATAL', V: 'FATAL', C: '57P03', M: 'the database system is starting up' })

/** Stands between a program and the server of `target`. */
export async function proxyTo(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target)
  let state: 'open' | 'refusing' | 'stalled' | 'coming up' = 'open'
  const pairs = new Map<Socket, Socket>()
  const server = createServer((near) => {
    if (state === 'refusing') {
      near.destroy()
      return
    }
    if (state === 'coming up') {
      near.on('error', () => {})
      near.once('data', () => near.end(COMING_UP))
      return
    }
    const far = connect(Number(port), hostname)
    pairs.set(near, far)
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => {
        other.destroy()
        pairs.delete(near)
      })
    }
    near.pipe(far)
    far.pipe(near)
    if (state === 'stalled') hold(near, far)
  })
  // Bytes stay in the sockets' own buffers, as they do behind a link that is down, and go on when it is mended.
  const hold = (near: Socket, far: Socket) => {
    near.unpipe(far)
    far.unpipe(near)
    near.pause()
    far.pause()
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const end = () => {
    for (const near of pairs.keys()) near.destroy()
  }
  after(() => {
    end()
    server.close()
  })
  const url = new URL(target)
  url.hostname = '127.0.0.1'
  url.port = String((server.address() as { port: number }).port)
  return {
    url: url.href,
    mend: () => {
      if (state === 'stalled')
        for (const [near, far] of pairs) {
          near.pipe(far)
          far.pipe(near)
        }
      state = 'open'
    },
    refuse: () => {
      state = 'refusing'
      end()
    },
    stall: () => {
      state = 'stalled'
      for (const [near, far] of pairs) hold(near, far)
    },
    comeUp: () => {
      state = 'coming up'
      end()
    },
  }
}

function errorResponse(fields: Record<string, string>): Buffer {
  const body = Buffer.from(
    `${Object.entries(fields)
      .map(([code, value]) => `${code}${value}\0`)
      .join('')}\0`,
  )
  const head = Buffer.alloc(5)
  head.write('E')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
