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

/** An account with its password's hash. */
export async function findAccount(db: CommonQueryMethods, id: string): Promise<AccountRow | null> {
  return db.maybeOne(sql.type(accountRow)`select id, organization_id, email, full_name, role, is_active, password_hash from users where id = ${id}`)
}

/** The account with this address in an organisation, or among the operators. */
export async function findAccountOf(db: CommonQueryMethods, organizationId: string | null, email: string): Promise<UserRow | null> {
  return db.maybeOne(sql.type(userRow)`
    select id, organization_id, email, full_name, role, is_active from users
     where email = lower(${email}) and organization_id is not distinct from ${organizationId}::uuid`)
}

/** Sets a password. */
export async function setPassword(db: CommonQueryMethods, id: string, passwordHash: string): Promise<void> {
  await db.query(sql.typeAlias('void')`update users set password_hash = ${passwordHash}, updated_at = now() where id = ${id}`)
}

/** A user, or null where the caller may see none with this id. */
export async function findUser(db: CommonQueryMethods, id: string): Promise<UserRow | null> {
  return db.maybeOne(sql.type(userRow)`select id, organization_id, email, full_name, role, is_active from users where id = ${id}`)
}

export const personRow = userRow.extend({ created_at: z.date() })
export type PersonRow = z.infer<typeof personRow>

const personColumns = sql.fragment`id, organization_id, email, full_name, role, is_active, created_at`

export interface PersonFilter {
  role: Role | null
  is_active: boolean | null
}

/** The people of the bound organisation by e-mail address, those after one where it is given. */
export async function listPeople(db: CommonQueryMethods, filter: PersonFilter, page: { after: string | null; limit: number }): Promise<readonly PersonRow[]> {
  return db.any(sql.type(personRow)`
    select ${personColumns} from users
     where organization_id = bound_organization() and (${page.after}::text is null or email > ${page.after})
       and (${filter.role}::user_role is null or role = ${filter.role}::user_role)
       and (${filter.is_active}::bool is null or is_active = ${filter.is_active}::bool)
     order by email limit ${page.limit}`)
}

/** Somebody of the bound organisation, also where the connection sees more. */
export async function findPerson(db: CommonQueryMethods, id: string): Promise<PersonRow | null> {
  return db.maybeOne(sql.type(personRow)`select ${personColumns} from users where organization_id = bound_organization() and id = ${id}`)
}

/** Locks the active admins of the bound organisation, so that two of them cannot remove each other at once. */
export async function lockAdmins(db: CommonQueryMethods): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ id: z.string() }))`
    select id from users where organization_id = bound_organization() and role = 'admin' and is_active order by id for update`)
}

export interface PersonChanges {
  full_name?: string
  role?: Role
  is_active?: boolean
  password_hash?: string
}

/** Changes what is given of somebody of the bound organisation. */
export async function updatePerson(db: CommonQueryMethods, id: string, changes: PersonChanges): Promise<PersonRow> {
  return db.one(sql.type(personRow)`
    update users
       set full_name = coalesce(${changes.full_name ?? null}, full_name), role = coalesce(${changes.role ?? null}::user_role, role),
           is_active = coalesce(${changes.is_active ?? null}::bool, is_active), password_hash = coalesce(${changes.password_hash ?? null}, password_hash),
           updated_at = now()
     where organization_id = bound_organization() and id = ${id}
    returning ${personColumns}`)
}

/** Where the active admins of the bound organisation get their mail. */
export async function adminAddresses(db: CommonQueryMethods, limit: number): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ email: z.string() }))`
    select email from users where organization_id = bound_organization() and role = 'admin' and is_active order by created_at, id limit ${limit}`)
}
