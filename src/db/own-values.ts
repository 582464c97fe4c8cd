import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const ownValues = z.object({
  services: z.array(z.object({ id: z.string(), name: z.string(), group: z.string().nullable() })),
  groups: z.array(z.object({ id: z.string(), name: z.string() })),
  staff: z.array(z.string()),
})
/** What an organisation has to choose from: services on offer with the groups that work on them, groups, active members of staff. */
export type OwnValues = z.infer<typeof ownValues>

export async function readOwnValues(db: CommonQueryMethods): Promise<OwnValues> {
  return db.one(sql.type(ownValues)`
    select (select coalesce(jsonb_agg(jsonb_build_object('id', service.id, 'name', service.name, 'group', agent_groups.name) order by service.name), '[]')
              from services service left join agent_groups on agent_groups.organization_id = service.organization_id and agent_groups.id = group_id
             where service.organization_id = bound_organization() and is_active) as services,
           (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name) order by name), '[]') from agent_groups where organization_id = bound_organization()) as groups,
           (select coalesce(jsonb_agg(id order by id), '[]')
              from users where organization_id = bound_organization() and is_active and role in ('agent', 'manager', 'admin')) as staff`)
}

/**
 * The group whose work a ticket is: what an agent said, else the one group that whoever has the ticket belongs to, else that of
 * the service. An expression over `ticket` and `service`.
 */
export const groupOfTicket = sql.fragment`coalesce(
  (select label.value #>> '{}' from ai_labels label
    where label.organization_id = ticket.organization_id and label.ticket_id = ticket.id and label.field = 'group' and label.is_right order by label.id desc limit 1),
  (select min(member_group.name) from agent_group_members member
     join agent_groups member_group on member_group.organization_id = member.organization_id and member_group.id = member.group_id
    where member.organization_id = ticket.organization_id and member.user_id = ticket.assigned_to having count(*) = 1),
  (select service_group.name from agent_groups service_group
    where service_group.organization_id = service.organization_id and service_group.id = service.group_id))`

/** Tags count as the organisation's own where one of so many of its newest tickets has them. */
const TAG_TICKETS = 5_000

/** The tags in use. Dear where there are many tickets: not to be asked for each of them. */
export async function readOwnTags(db: CommonQueryMethods): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ tag: z.string() }))`
    select distinct tag
      from (select tags from tickets where organization_id = bound_organization() order by created_at desc limit ${TAG_TICKETS}) newest, unnest(tags) tag`)
}
