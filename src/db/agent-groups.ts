import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const strategy = z.enum(['manual', 'round_robin', 'least_load'])

const candidate = z.object({ user_id: z.string(), open: z.number(), max_open: z.number().nullable(), last_turn: z.number() })

export const groupRow = z.object({
  id: z.string(),
  name: z.string(),
  strategy,
  max_open: z.number().nullable(),
  members: z.array(z.object({ user_id: z.string(), full_name: z.string(), max_open: z.number().nullable() })),
  created_at: z.date(),
  updated_at: z.date(),
})
export type GroupRow = z.infer<typeof groupRow>

const groupColumns = sql.fragment`
  id, name, strategy, max_open,
  (select coalesce(jsonb_agg(jsonb_build_object('user_id', member.user_id, 'full_name', full_name, 'max_open', member.max_open) order by full_name, member.user_id), '[]')
     from agent_group_members member join users on users.organization_id = member.organization_id and users.id = member.user_id
    where member.organization_id = agent_groups.organization_id and group_id = agent_groups.id) as members,
  created_at, updated_at`

export interface GroupFields {
  name: string
  strategy: z.infer<typeof strategy>
  max_open: number | null
}
export interface GroupMember {
  user_id: string
  max_open: number | null
}

/** Makes a group without members. @returns its id */
export async function insertGroup(db: CommonQueryMethods, group: GroupFields): Promise<string> {
  const row = await db.one(sql.typeAlias('id')`
    insert into agent_groups (organization_id, name, strategy, max_open)
    values (bound_organization(), ${group.name}, ${group.strategy}, ${group.max_open}) returning id`)
  return String(row.id)
}

/** Has exactly these members in a group; who stays keeps the place in the turn. */
export async function writeMembers(db: CommonQueryMethods, groupId: string, members: readonly GroupMember[]): Promise<void> {
  const wanted = JSON.stringify(members)
  await db.query(sql.typeAlias('void')`
    delete from agent_group_members
     where organization_id = bound_organization() and group_id = ${groupId}
       and user_id not in (select user_id from jsonb_to_recordset(${wanted}::jsonb) as wanted (user_id uuid))`)
  await db.query(sql.typeAlias('void')`
    insert into agent_group_members (organization_id, group_id, user_id, max_open)
    select bound_organization(), ${groupId}, user_id, max_open from jsonb_to_recordset(${wanted}::jsonb) as wanted (user_id uuid, max_open int)
    on conflict (organization_id, group_id, user_id) do update set max_open = excluded.max_open`)
}

/** Groups by name, those after one where it is given. */
export async function listGroups(db: CommonQueryMethods, page: { after: string | null; limit: number }): Promise<readonly GroupRow[]> {
  return db.any(sql.type(groupRow)`
    select ${groupColumns} from agent_groups
     where organization_id = bound_organization() and (${page.after}::text is null or name > ${page.after})
     order by name limit ${page.limit}`)
}

export async function findGroup(db: CommonQueryMethods, id: string): Promise<GroupRow | null> {
  return db.maybeOne(sql.type(groupRow)`select ${groupColumns} from agent_groups where organization_id = bound_organization() and id = ${id}`)
}

/** A group to whose members nobody else gives a ticket by turn or load until the transaction ends. */
export async function lockGroup(db: CommonQueryMethods, id: string): Promise<GroupFields | null> {
  return db.maybeOne(sql.type(groupRow.pick({ name: true, strategy: true, max_open: true }))`
    select name, strategy, max_open from agent_groups where organization_id = bound_organization() and id = ${id} for no key update`)
}

export async function updateGroup(db: CommonQueryMethods, id: string, group: GroupFields): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update agent_groups set name = ${group.name}, strategy = ${group.strategy}, max_open = ${group.max_open}, updated_at = now()
     where organization_id = bound_organization() and id = ${id}`)
}

export async function deleteGroup(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from agent_groups where organization_id = bound_organization() and id = ${id}`)
}

/** Members who can be given a ticket, with what they have to do. A statement of its own after lockGroup, so that it sees what others gave before. */
export async function readCandidates(db: CommonQueryMethods, groupId: string): Promise<readonly z.infer<typeof candidate>[]> {
  return db.any(sql.type(candidate)`
    select user_id, coalesce(member.max_open, agent_groups.max_open) as max_open, last_turn,
           (select count(*) from tickets
             where tickets.organization_id = member.organization_id and assigned_to = user_id
               and status in ('accepted', 'assigned', 'in_progress', 'waiting_customer')) as open
      from agent_group_members member
      join agent_groups on agent_groups.organization_id = member.organization_id and agent_groups.id = group_id
      join users on users.organization_id = member.organization_id and users.id = user_id and is_active and role in ('agent', 'manager', 'admin')
     where member.organization_id = bound_organization() and group_id = ${groupId}`)
}

/** Notes that a turn of a locked group was somebody's. */
export async function takeTurn(db: CommonQueryMethods, groupId: string, userId: string): Promise<void> {
  await db.query(sql.typeAlias('void')`
    with turned as (
      update agent_groups set turns = turns + 1 where organization_id = bound_organization() and id = ${groupId} returning turns
    )
    update agent_group_members set last_turn = turns from turned
     where organization_id = bound_organization() and group_id = ${groupId} and user_id = ${userId}`)
}

/** The group that works on a service's tickets; null where there is none, or this database has no groups (yet, or any more). */
export async function groupOfService(db: CommonQueryMethods, serviceId: string): Promise<string | null> {
  return db.maybeOneFirst(sql.type(z.object({ group_id: z.string().nullable() }))`
    select to_jsonb(service) ->> 'group_id' as group_id from services service where organization_id = bound_organization() and id = ${serviceId}`)
}
