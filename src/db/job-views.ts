import { z } from 'zod'
import { ofBound, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const jobViewRow = z.object({
  id: z.string(),
  name: z.string(),
  owner_id: z.string(),
  is_shared: z.boolean(),
  query: z.string(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type JobViewRow = z.infer<typeof jobViewRow>

const columns = sql.fragment`id, name, owner_id, is_shared, query, created_at, updated_at`

/** Who asks for views: somebody of an organisation, or an operator, who has none. */
export interface JobViewReader {
  user_id: string
  organization_id: string | null
}
const shownTo = ({ user_id, organization_id }: JobViewReader) => sql.fragment`
  organization_id is not distinct from ${organization_id}::uuid and (owner_id = ${user_id} or is_shared)`

export type JobViewFields = Pick<JobViewRow, 'name' | 'is_shared' | 'query'>

/** @returns null where the owner has `limit` of them */
export async function insertJobView(db: CommonQueryMethods, owner: JobViewReader, view: JobViewFields, limit: number): Promise<JobViewRow | null> {
  return db.maybeOne(sql.type(jobViewRow)`
    insert into job_views (organization_id, owner_id, name, is_shared, query)
    select ${owner.organization_id}::uuid, ${owner.user_id}::uuid, ${view.name}, ${view.is_shared}::boolean, ${view.query}
     where (select count(*) from job_views where owner_id = ${owner.user_id} and ${ofBound}) < ${limit}
    returning ${columns}`)
}

/** Views that the reader owns or shares in, by name, after a place where it is given. */
export async function listJobViews(
  db: CommonQueryMethods,
  reader: JobViewReader,
  page: { after: { name: string; id: string } | null; limit: number },
): Promise<readonly JobViewRow[]> {
  return db.any(sql.type(jobViewRow)`
    select ${columns} from job_views
     where ${shownTo(reader)}
       and (${page.after?.name ?? null}::text is null or (name, id) > (${page.after?.name ?? null}::text, ${page.after?.id ?? null}::uuid))
     order by name, id limit ${page.limit}`)
}

export async function findJobView(db: CommonQueryMethods, reader: JobViewReader, id: string): Promise<JobViewRow | null> {
  return db.maybeOne(sql.type(jobViewRow)`select ${columns} from job_views where id = ${id} and ${shownTo(reader)}`)
}

export async function updateJobView(db: CommonQueryMethods, id: string, view: JobViewFields): Promise<JobViewRow> {
  return db.one(sql.type(jobViewRow)`
    update job_views set name = ${view.name}, is_shared = ${view.is_shared}, query = ${view.query}, updated_at = now()
     where id = ${id} and ${ofBound}
    returning ${columns}`)
}

export async function deleteJobView(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from job_views where id = ${id} and ${ofBound}`)
}
