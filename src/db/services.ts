import { z } from 'zod'
import { PRIORITIES } from './job-inputs.ts'
import type { Priority } from './job-inputs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const serviceRow = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  default_priority: z.enum(PRIORITIES),
  is_active: z.boolean(),
  group_id: z.string().nullable(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type ServiceRow = z.infer<typeof serviceRow>

/** The group came later than the table, and goes when the database is taken down to an older version: read by name, it may be missing. */
const serviceColumns = sql.fragment`id, name, description, default_priority, is_active, to_jsonb(services) ->> 'group_id' as group_id, created_at, updated_at`

export interface ServiceFields {
  name: string
  description: string
  default_priority: Priority
  is_active: boolean
  group_id: string | null
}

export async function insertService(db: CommonQueryMethods, service: ServiceFields): Promise<ServiceRow> {
  return db.one(sql.type(serviceRow)`
    insert into services (organization_id, name, description, default_priority, is_active, group_id)
    values (bound_organization(), ${service.name}, ${service.description}, ${service.default_priority}, ${service.is_active}, ${service.group_id})
    returning ${serviceColumns}`)
}

/** Services by name, those after one where it is given. */
export async function listServices(
  db: CommonQueryMethods,
  sees: { inactive: boolean },
  page: { after: string | null; limit: number },
): Promise<readonly ServiceRow[]> {
  return db.any(sql.type(serviceRow)`
    select ${serviceColumns} from services
     where organization_id = bound_organization() and (${sees.inactive} or is_active) and (${page.after}::text is null or name > ${page.after})
     order by name limit ${page.limit}`)
}

export async function findService(db: CommonQueryMethods, sees: { inactive: boolean }, id: string): Promise<ServiceRow | null> {
  return db.maybeOne(sql.type(serviceRow)`
    select ${serviceColumns} from services where organization_id = bound_organization() and id = ${id} and (${sees.inactive} or is_active)`)
}

export async function updateService(db: CommonQueryMethods, id: string, service: ServiceFields): Promise<ServiceRow> {
  return db.one(sql.type(serviceRow)`
    update services
       set name = ${service.name}, description = ${service.description}, default_priority = ${service.default_priority}, is_active = ${service.is_active},
           group_id = ${service.group_id}, updated_at = now()
     where organization_id = bound_organization() and id = ${id}
    returning ${serviceColumns}`)
}

/** Deletes a service that no ticket has. @returns how many it deleted */
export async function deleteService(db: CommonQueryMethods, id: string): Promise<number> {
  const { rowCount } = await db.query(sql.typeAlias('void')`
    delete from services where organization_id = bound_organization() and id = ${id}
       and not exists (select from tickets where tickets.organization_id = services.organization_id and service_id = services.id)`)
  return rowCount
}
