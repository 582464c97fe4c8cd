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

export const listedOrganization = organizationRow.extend({ created_at: z.date() })

/** All organisations by slug, those after one where it is given. For the installation's own eyes. */
export async function listOrganizations(
  db: CommonQueryMethods,
  page: { after: string | null; limit: number },
): Promise<readonly z.infer<typeof listedOrganization>[]> {
  return db.any(sql.type(listedOrganization)`
    select id, slug, name, created_at from organizations where ${page.after}::text is null or slug > ${page.after} order by slug limit ${page.limit}`)
}

/** Gives the bound organisation another name. */
export async function renameOrganization(db: CommonQueryMethods, name: string): Promise<OrganizationRow> {
  return db.one(sql.type(organizationRow)`
    update organizations set name = ${name}, updated_at = now() where id = bound_organization() returning id, slug, name`)
}
