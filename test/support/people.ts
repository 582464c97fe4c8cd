import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { insertOrganization } from '#db/organizations.ts'
import type { OrganizationRow } from '#db/organizations.ts'
import type { Database } from '#db/pool.ts'
import { insertUser } from '#db/users.ts'
import type { Role, UserRow } from '#db/users.ts'
import { hashPassword } from '#http/passwords.ts'

/** Everybody's password: one hash, so that a test does not wait for argon2 once a user. */
export const PASSWORD = 'correct horse battery staple'
const passwordHash = hashPassword(PASSWORD)

export function createOrganization(database: Database, slug = `org-${randomUUID().slice(0, 8)}`): Promise<OrganizationRow> {
  return insertOrganization(database.system, { slug, name: `The ${slug} company` })
}

/** A user of the organisation; an operator has none. */
export async function createUser(
  database: Database,
  role: Role,
  organization: OrganizationRow | null,
  email = `${role}-${randomUUID()}@example.com`,
): Promise<UserRow> {
  const organization_id = role === 'operator' ? null : organization!.id
  return insertUser(database.system, { organization_id, email, password_hash: await passwordHash, full_name: `A ${role}`, role })
}

/** Signs in through the API. @returns the access token */
export async function signIn(app: FastifyInstance, email: string, organization?: string): Promise<string> {
  const response = await app.inject({
    method: 'POST',
    url: '/api/v1/auth/login',
    payload: { email, password: PASSWORD, ...(organization ? { organization } : {}) },
  })
  if (response.statusCode !== 200) throw new Error(`sign-in of ${email}: ${response.statusCode} ${response.body}`)
  return response.json<{ access_token: string }>().access_token
}
