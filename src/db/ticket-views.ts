import { z } from 'zod'
import { sql } from './sql.ts'
import { conditionSchema } from './ticket-condition.ts'
import type { Condition } from './ticket-condition.ts'
import { TICKET_SORTS } from './ticket-list.ts'
import type { TicketSort } from './ticket-list.ts'
import type { Role } from './users.ts'
import type { CommonQueryMethods } from './pool.ts'

export const viewRow = z.object({
  id: z.string(),
  name: z.string(),
  owner_id: z.string(),
  shared_with: z.array(z.enum(['agent', 'manager', 'admin'])),
  condition: conditionSchema,
  sort: z.enum(TICKET_SORTS),
  created_at: z.date(),
  updated_at: z.date(),
})
export type ViewRow = z.infer<typeof viewRow>

const viewColumns = sql.fragment`id, name, owner_id, shared_with::text[], condition, sort, created_at, updated_at`

/** Who asks for views: the owner of some, and of a role that others share with. */
export interface ViewReader {
  user_id: string
  role: Role
}
const shownTo = (reader: ViewReader) => sql.fragment`(owner_id = ${reader.user_id} or ${reader.role}::user_role = any(shared_with))`

export interface ViewFields {
  name: string
  shared_with: readonly ('agent' | 'manager' | 'admin')[]
  condition: Condition
  sort: TicketSort
}

export async function insertView(db: CommonQueryMethods, ownerId: string, view: ViewFields): Promise<ViewRow> {
  return db.one(sql.type(viewRow)`
    insert into ticket_views (organization_id, owner_id, name, shared_with, condition, sort)
    values (bound_organization(), ${ownerId}, ${view.name}, ${sql.array(view.shared_with, 'user_role')}, ${JSON.stringify(view.condition)}::jsonb, ${view.sort})
    returning ${viewColumns}`)
}

/** Views that the reader owns or shares in, by name, after a place where it is given. */
export async function listViews(
  db: CommonQueryMethods,
  reader: ViewReader,
  page: { after: { name: string; id: string } | null; limit: number },
): Promise<readonly ViewRow[]> {
  return db.any(sql.type(viewRow)`
    select ${viewColumns} from ticket_views
     where organization_id = bound_organization() and ${shownTo(reader)}
       and (${page.after?.name ?? null}::text is null or (name, id) > (${page.after?.name ?? null}::text, ${page.after?.id ?? null}::uuid))
     order by name, id limit ${page.limit}`)
}

export async function findView(db: CommonQueryMethods, reader: ViewReader, id: string): Promise<ViewRow | null> {
  return db.maybeOne(sql.type(viewRow)`
    select ${viewColumns} from ticket_views where organization_id = bound_organization() and id = ${id} and ${shownTo(reader)}`)
}

export async function updateView(db: CommonQueryMethods, id: string, view: ViewFields): Promise<ViewRow> {
  return db.one(sql.type(viewRow)`
    update ticket_views
       set name = ${view.name}, shared_with = ${sql.array(view.shared_with, 'user_role')}, condition = ${JSON.stringify(view.condition)}::jsonb,
           sort = ${view.sort}, updated_at = now()
     where organization_id = bound_organization() and id = ${id}
    returning ${viewColumns}`)
}

export async function deleteView(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from ticket_views where organization_id = bound_organization() and id = ${id}`)
}
