import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const cannedRow = z.object({
  id: z.string(),
  name: z.string(),
  content: z.string(),
  service_id: z.string().nullable(),
  created_at: z.date(),
  updated_at: z.date(),
})
export type CannedRow = z.infer<typeof cannedRow>

const cannedColumns = sql.fragment`id, name, content, service_id, created_at, updated_at`

export interface CannedFields {
  name: string
  content: string
  service_id: string | null
}

export async function insertCanned(db: CommonQueryMethods, canned: CannedFields): Promise<CannedRow> {
  return db.one(sql.type(cannedRow)`
    insert into canned_responses (organization_id, name, content, service_id)
    values (bound_organization(), ${canned.name}, ${canned.content}, ${canned.service_id}) returning ${cannedColumns}`)
}

/** Canned responses by name, those after one where it is given; of one service, and of none, where it is given. */
export async function listCanned(
  db: CommonQueryMethods,
  filter: { service_id: string | null },
  page: { after: string | null; limit: number },
): Promise<readonly CannedRow[]> {
  return db.any(sql.type(cannedRow)`
    select ${cannedColumns} from canned_responses
     where organization_id = bound_organization() and (${page.after}::text is null or name > ${page.after})
       and (${filter.service_id}::uuid is null or service_id is null or service_id = ${filter.service_id}::uuid)
     order by name limit ${page.limit}`)
}

export async function findCanned(db: CommonQueryMethods, id: string): Promise<CannedRow | null> {
  return db.maybeOne(sql.type(cannedRow)`select ${cannedColumns} from canned_responses where organization_id = bound_organization() and id = ${id}`)
}

export async function updateCanned(db: CommonQueryMethods, id: string, canned: CannedFields): Promise<CannedRow> {
  return db.one(sql.type(cannedRow)`
    update canned_responses set name = ${canned.name}, content = ${canned.content}, service_id = ${canned.service_id}, updated_at = now()
     where organization_id = bound_organization() and id = ${id} returning ${cannedColumns}`)
}

export async function deleteCanned(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from canned_responses where organization_id = bound_organization() and id = ${id}`)
}

const people = z.object({
  organization: z.string(),
  requester: z.string(),
  requester_email: z.string(),
  assignee: z.string().nullable(),
  assignee_email: z.string().nullable(),
  agent: z.string().nullable(),
  service: z.string().nullable(),
})
export type PeopleOfTicket = z.infer<typeof people>

/** The names that a text about a ticket may need, and the addresses that it may go to. */
export async function readPeopleOf(db: CommonQueryMethods, ticketId: string, agentId: string | null): Promise<PeopleOfTicket> {
  return db.one(sql.type(people)`
    select organization.name as organization, requester.full_name as requester, requester.email as requester_email,
           assignee.full_name as assignee, assignee.email as assignee_email, agent.full_name as agent, service.name as service
      from tickets ticket
      join organizations organization on organization.id = ticket.organization_id
      join users requester on requester.organization_id = ticket.organization_id and requester.id = requester_id
      left join users assignee on assignee.organization_id = ticket.organization_id and assignee.id = assigned_to
      left join users agent on agent.organization_id = ticket.organization_id and agent.id = ${agentId}
      left join services service on service.organization_id = ticket.organization_id and service.id = service_id
     where ticket.organization_id = bound_organization() and ticket.id = ${ticketId}`)
}
