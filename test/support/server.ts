import { after } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { readConfig } from '#config.ts'
import type { OrganizationRow } from '#db/organizations.ts'
import type { Database } from '#db/pool.ts'
import type { Role, UserRow } from '#db/users.ts'
import { buildServer } from '#http/server.ts'
import { createLogger } from '#log.ts'
import { createUser, signIn } from './people.ts'

export const SECRET = 'a secret of the tests, and of nothing else'

/** The HTTP server on a test's database, not listening; it is closed when the file's tests are over. */
export async function testServer(database: Database, settings: Record<string, string> = {}): Promise<FastifyInstance> {
  const app = await buildServer({
    config: readConfig(settings),
    database,
    secret: SECRET,
    log: createLogger(process.env['TEST_LOG_LEVEL'] ?? 'silent', 'test'),
  })
  after(() => app.close())
  return app
}

interface Answer {
  status: number
  headers: Record<string, unknown>
  // oxlint-disable-next-line typescript/no-explicit-any -- a test reads what the API said, and asserts what it is
  body: any
}

/** Somebody who is signed in. */
export interface Client {
  user: UserRow
  token: string
  get(path: string, headers?: Record<string, string>): Promise<Answer>
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  patch(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  delete(path: string, headers?: Record<string, string>): Promise<Answer>
  request(method: Method, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Makes a user of this role and signs in. */
export async function clientOf(app: FastifyInstance, database: Database, role: Role, organization: OrganizationRow | null = null): Promise<Client> {
  const user = await createUser(database, role, organization)
  const send = async (method: Method, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> => {
    const response = await app.inject({
      method,
      url: `/api/v1${path}`,
      headers: { authorization: `Bearer ${client.token}`, ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    })
    return {
      status: response.statusCode,
      headers: response.headers,
      body: response.body === '' ? null : /[/+]json/.test(String(response.headers['content-type'])) ? response.json() : response.body,
    }
  }
  const client: Client = {
    user,
    token: await signIn(app, user.email),
    request: send,
    get: (path, headers) => send('GET', path, undefined, headers),
    post: (path, body, headers) => send('POST', path, body, headers),
    patch: (path, body, headers) => send('PATCH', path, body, headers),
    delete: (path, headers) => send('DELETE', path, undefined, headers),
  }
  return client
}
