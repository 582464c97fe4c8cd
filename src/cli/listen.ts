import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { ConfigError } from '#config.ts'
import type { Config } from '#config.ts'

/** What of a server one listens with; Fastify's own type would load Fastify. */
interface Listens {
  listen(where: { host: string; port: number }): Promise<string>
  server: { address(): AddressInfo | string | null }
}

/** Finds out whether HOST and PORT can be listened on, before anything is started for it. @throws ConfigError */
export async function checkPort({ HOST: host, PORT: port }: Config): Promise<void> {
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port, exclusive: true }, resolve)
    })
  } catch (error) {
    throw listenError(error, host, port)
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}

/** Listens, and says under which address a browser of this machine finds it. @throws ConfigError */
export async function listenOn(app: Listens, { HOST: host, PORT: port }: Config): Promise<string> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    throw listenError(error, host, port)
  }
  const address = app.server.address()
  const actual = typeof address === 'object' && address ? address.port : port
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${actual}`
}

function listenError(error: unknown, host: string, port: number): unknown {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new ConfigError(`PORT: ${port} on ${host} is in use by another program. Stop that one, or set PORT to a free port`)
    case 'EACCES':
      return new ConfigError(`PORT: ${port} may not be used by this account. Set PORT to one above 1023`)
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ConfigError(`HOST: ${host} is not an address of this machine`)
    default:
      return error
  }
}
