import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const registrationRow = z.object({
  id: z.string(),
  organization_id: z.string(),
  organization_name: z.string(),
  organization_slug: z.string(),
  email: z.string(),
  full_name: z.string(),
  password_hash: z.string(),
})
export type Registration = z.infer<typeof registrationRow>

const columns = sql.fragment`
  registration.id, registration.organization_id, organization.name as organization_name, organization.slug as organization_slug, email, full_name, password_hash`

/** Keeps what somebody wants an account with, until the address is confirmed. */
export async function insertRegistration(
  db: CommonQueryMethods,
  wanted: { organization_id: string; email: string; full_name: string; password_hash: string; lifetime_seconds: number },
): Promise<string> {
  return db.oneFirst(sql.type(z.object({ id: z.string() }))`
    insert into registrations (organization_id, email, full_name, password_hash, expires_at)
    values (${wanted.organization_id}, lower(${wanted.email}), ${wanted.full_name}, ${wanted.password_hash}, now() + ${wanted.lifetime_seconds} * interval '1 second')
    returning id`)
}

/** A registration that waits. */
export async function findRegistration(db: CommonQueryMethods, id: string): Promise<Registration | null> {
  return db.maybeOne(sql.type(registrationRow)`
    select ${columns} from registrations registration join organizations organization on organization.id = registration.organization_id
     where registration.id = ${id} and expires_at > now()`)
}

/** The newest registration of an address in each organisation, or in the one of that slug; at most `limit`. */
export async function waitingRegistrations(db: CommonQueryMethods, email: string, slug: string | null, limit: number): Promise<readonly Registration[]> {
  return db.any(sql.type(registrationRow)`
    select distinct on (registration.organization_id) ${columns}
      from registrations registration join organizations organization on organization.id = registration.organization_id
     where email = lower(${email}) and expires_at > now() and (${slug}::text is null or organization.slug = ${slug})
     order by registration.organization_id, registration.created_at desc limit ${limit}`)
}

/** Forgets every registration of an address in an organisation: one of them has become an account. */
export async function removeRegistrations(db: CommonQueryMethods, organizationId: string, email: string): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from registrations where organization_id = ${organizationId} and email = lower(${email})`)
}
