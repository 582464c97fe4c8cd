import { randomBytes, randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { readConfig } from '#config.ts'
import { allowServiceLogins, serviceUrls } from '#db/logins.ts'
import { migrate } from '#db/migrations.ts'
import { insertOrganization } from '#db/organizations.ts'
import { openDatabase } from '#db/pool.ts'
import type { Database } from '#db/pool.ts'
import { insertUser } from '#db/users.ts'
import type { Role } from '#db/users.ts'
import { hashPassword } from '#http/passwords.ts'
import { buildServer } from '#http/server.ts'
import { createLogger } from '#log.ts'
import { freshDatabase } from './database.ts'
import type { BenchServer } from './server.ts'

/** A desk of the benchmark's own: its database, its HTTP server on a free port, and somebody who is signed in. */
export interface Desk {
  database: Database
  ownerUrl: string
  /** Null for an operator. */
  organizationId: string | null
  userId: string
  /** Where it listens, and by what one signs in. */
  address: string
  signIn: { email: string; password: string }
  /** Signs in so many new users of the same role: a rate limit is one user's. */
  newTokens(count: number): Promise<string[]>
  /** Asks over HTTP. @throws where the answer is no success */
  ask(path: string, body?: unknown): Promise<void>
  close(): Promise<void>
}

/** @param consoleDirectory where the built console lies; without it there is none */
export async function openDesk(
  server: BenchServer,
  name: string,
  role: Role,
  { to, consoleDirectory }: { to?: string | undefined; consoleDirectory?: string } = {},
): Promise<Desk> {
  const ownerUrl = await freshDatabase(server, name)
  await migrate(ownerUrl, 'up', { to })
  await allowServiceLogins(ownerUrl)
  const database = await openDatabase(serviceUrls(ownerUrl), { size: 10, name: 'bench' })
  const secret = randomBytes(32).toString('hex')
  const app = await buildServer({ config: readConfig({}), database, secret, log: createLogger('warn', 'bench'), consoleDirectory })
  const organizationId = role === 'operator' ? null : (await insertOrganization(database.system, { slug: 'bench', name: 'Bench' })).id
  const password = randomBytes(16).toString('hex')
  const password_hash = await hashPassword(password)
  const newUser = (email: string) => insertUser(database.system, { organization_id: organizationId, email, password_hash, full_name: 'Bench', role })
  const user = await newUser('bench@example.com')
  const address = await app.listen({ host: '127.0.0.1', port: 0 })
  const token = await signIn(app, user.email, password)
  return {
    database,
    ownerUrl,
    organizationId,
    userId: user.id,
    address,
    signIn: { email: user.email, password },
    newTokens: async (count) => {
      const tokens: string[] = []
      for (let n = 0; n < count; n += 1) tokens.push(await signIn(app, (await newUser(`bench-${randomUUID()}@example.com`)).email, password))
      return tokens
    },
    ask: async (path, body) => {
      const response = await fetch(`${address}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text.slice(0, 500)}`)
    },
    close: async () => {
      await app.close()
      await database.end()
    },
  }
}

async function signIn(app: FastifyInstance, email: string, password: string): Promise<string> {
  const response = await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password } })
  if (response.statusCode !== 200) throw new Error(`sign-in answered ${response.statusCode}: ${response.body}`)
  return response.json<{ access_token: string }>().access_token
}
