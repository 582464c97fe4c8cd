import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'

/** What came in at a receiver of webhooks. */
export interface Received {
  headers: IncomingHttpHeaders
  body: string
}

/** A receiver of webhooks that answers as it is told. */
export interface Receiver {
  url: string
  received: Received[]
  /** The status of the next answers, or what to do with a request. */
  answer: number | ((received: Received) => number)
  /** Closes the port, as if the machine were away; `up` opens the same one again. */
  down(): Promise<void>
  up(): Promise<void>
}

export async function receiver(): Promise<Receiver> {
  let server: Server | undefined
  let port = 0
  const self: Receiver = {
    url: '',
    received: [],
    answer: 200,
    down: async () => {
      server?.closeAllConnections()
      await new Promise((resolve) => server?.close(resolve))
    },
    up: async () => {
      server = createServer((request, response) => {
        let body = ''
        request.on('data', (chunk: Buffer) => (body += chunk.toString()))
        request.on('end', () => {
          const received = { headers: request.headers, body }
          self.received.push(received)
          const status = typeof self.answer === 'number' ? self.answer : self.answer(received)
          response.writeHead(status, status >= 300 && status < 400 ? { location: self.url } : {}).end('said so')
        })
      })
      await new Promise<void>((resolve) => server!.listen(port, '127.0.0.1', resolve))
      port = (server.address() as AddressInfo).port
      self.url = `http://localhost:${port}/hook`
    },
  }
  await self.up()
  after(() => self.down())
  return self
}
