import { userInfo } from 'node:os'
import { organizationIdOf } from '#db/slugs.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { Refusal } from './failure.ts'

/** Who acts, as the audit log and a job's log name a person at the command line. */
export function actor(): { by: string; account: string } {
  return { by: 'command line', account: userInfo().username }
}

/** The organisation that --organization names; null where none is named. @throws Refusal where there is none of that name */
export async function namedOrganization(db: CommonQueryMethods, slug: string | undefined): Promise<string | null> {
  if (slug === undefined) return null
  const id = await organizationIdOf(db, slug)
  if (id === null) throw new Refusal(`--organization: there is none with the slug "${slug}".`)
  return id
}
