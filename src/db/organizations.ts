import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const organizationRow = z.object({ id: z.string(), slug: z.string(), name: z.string() })
export type OrganizationRow = z.infer<typeof organizationRow>

/** Makes an organisation. */
export async function insertOrganization(db: CommonQueryMethods, organization: { slug: string; name: string }): Promise<OrganizationRow> {
  return db.one(sql.type(organizationRow)`
    insert into organizations (slug, name) values (${organization.slug}, ${organization.name}) returning id, slug, name`)
}

/** An organisation, or null where the caller may see none with this id. */
export async function findOrganization(db: CommonQueryMethods, id: string): Promise<OrganizationRow | null> {
  return db.maybeOne(sql.type(organizationRow)`select id, slug, name from organizations where id = ${id}`)
}
