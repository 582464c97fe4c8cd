import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const ROLES = ['customer_user', 'customer_admin', 'agent', 'manager', 'admin', 'operator'] as const
export type Role = (typeof ROLES)[number]

const userRow = z.object({
  id: z.string(),
  organization_id: z.string().nullable(),
  email: z.string(),
  full_name: z.string(),
  role: z.enum(ROLES),
  is_active: z.boolean(),
})
export type UserRow = z.infer<typeof userRow>

const accountRow = userRow.extend({ password_hash: z.string() })
export type AccountRow = z.infer<typeof accountRow>

/** Makes a user. An operator has no organisation, everybody else has one. */
export async function insertUser(
  db: CommonQueryMethods,
  user: { organization_id: string | null; email: string; password_hash: string; full_name: string; role: Role },
): Promise<UserRow> {
  return db.one(sql.type(userRow)`
    insert into users (organization_id, email, password_hash, full_name, role)
    values (${user.organization_id}, lower(${user.email}), ${user.password_hash}, ${user.full_name}, ${user.role})
    returning id, organization_id, email, full_name, role, is_active`)
}

/** The active accounts with this address, at most `limit`; only those of the organisation where its slug is given. */
export async function accountsOf(db: CommonQueryMethods, email: string, slug: string | null, limit: number): Promise<readonly AccountRow[]> {
  return db.any(sql.type(accountRow)`
    select account.id, organization_id, email, full_name, role, is_active, password_hash
      from users account left join organizations organization on organization.id = organization_id
     where email = lower(${email}) and is_active and (${slug}::text is null or organization.slug = ${slug})
     order by account.created_at, account.id limit ${limit}`)
}

/** A user, or null where the caller may see none with this id. */
export async function findUser(db: CommonQueryMethods, id: string): Promise<UserRow | null> {
  return db.maybeOne(sql.type(userRow)`select id, organization_id, email, full_name, role, is_active from users where id = ${id}`)
}
