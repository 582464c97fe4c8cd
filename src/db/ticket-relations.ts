import { z } from 'zod'
import { TICKET_STATES } from '#machines/ticket.ts'
import { sql } from './sql.ts'
import { visibleTo } from './tickets.ts'
import type { TicketViewer } from './tickets.ts'
import type { CommonQueryMethods } from './pool.ts'

/** What another ticket is to a ticket. */
export const RELATION_TYPES = ['parent', 'child', 'duplicate_of', 'duplicated_by', 'related'] as const
export type RelationType = (typeof RELATION_TYPES)[number]

/** How a relation is kept, and whether the ticket is its first end. */
const KEPT: Record<RelationType, { kind: string; isFirst: boolean }> = {
  parent: { kind: 'parent', isFirst: true },
  child: { kind: 'parent', isFirst: false },
  duplicate_of: { kind: 'duplicate_of', isFirst: true },
  duplicated_by: { kind: 'duplicate_of', isFirst: false },
  related: { kind: 'related', isFirst: true },
}

export const relationRow = z.object({
  id: z.string(),
  type: z.enum(RELATION_TYPES),
  ticket: z.object({ id: z.string(), number: z.number(), subject: z.string(), status: z.enum(TICKET_STATES) }),
  created_by: z.string(),
  created_at: z.coerce.date(),
})
export type RelationRow = z.infer<typeof relationRow>

const seenFrom = (ticketId: string) => sql.fragment`
  select relation.id, case when kind = 'related' then 'related'
                           when relation.ticket_id = ${ticketId} then kind
                           when kind = 'parent' then 'child' else 'duplicated_by' end as type,
         jsonb_build_object('id', ticket.id, 'number', number, 'subject', subject, 'status', status) as ticket, created_by, relation.created_at
    from ticket_relations relation
    join tickets ticket on ticket.organization_id = relation.organization_id
     and ticket.id = case when relation.ticket_id = ${ticketId} then other_id else relation.ticket_id end
   where relation.organization_id = bound_organization() and ${ticketId} in (relation.ticket_id, other_id)`

/** The relations of a ticket to others that the viewer sees, the oldest first. */
export async function listRelations(db: CommonQueryMethods, viewer: TicketViewer, ticketId: string, limit: number): Promise<readonly RelationRow[]> {
  return db.any(sql.type(relationRow)`${seenFrom(ticketId)} and ${visibleTo(viewer)} order by relation.created_at, relation.id limit ${limit}`)
}

export async function findRelation(db: CommonQueryMethods, ticketId: string, id: string): Promise<RelationRow | null> {
  return db.maybeOne(sql.type(relationRow)`${seenFrom(ticketId)} and relation.id = ${id}`)
}

/** Whoever relates tickets of the bound organisation takes turns until the transaction ends: what is checked stays so. */
export async function lockRelations(db: CommonQueryMethods): Promise<void> {
  await db.query(sql.typeAlias('void')`select pg_advisory_xact_lock(hashtextextended('ticket-relations:' || bound_organization()::text, 0))`)
}

/** Whether relating two tickets so would let a ticket be above itself. To be asked under lockRelations. */
export async function wouldCircle(db: CommonQueryMethods, ticketId: string, type: RelationType, otherId: string): Promise<boolean> {
  const { kind, isFirst } = KEPT[type]
  if (kind === 'related') return false
  const [below, above] = isFirst ? [ticketId, otherId] : [otherId, ticketId]
  return db.oneFirst(sql.type(z.object({ circles: z.boolean() }))`
    with recursive upwards as (
      select ${above}::uuid as id
      union
      select other_id from upwards join ticket_relations relation
          on relation.organization_id = bound_organization() and kind = ${kind} and relation.ticket_id = upwards.id
    )
    select exists (select from upwards where id = ${below}) as circles`)
}

/** Relates two tickets of the bound organisation. @returns the relation's id, or null where the two are related so already */
export async function insertRelation(
  db: CommonQueryMethods,
  ticketId: string,
  { type, other_id, created_by }: { type: RelationType; other_id: string; created_by: string },
): Promise<string | null> {
  const { kind, isFirst } = KEPT[type]
  const keepsOrder = kind === 'related' ? ticketId < other_id : isFirst
  const [first, second] = keepsOrder ? [ticketId, other_id] : [other_id, ticketId]
  const row = await db.maybeOne(sql.typeAlias('id')`
    insert into ticket_relations (organization_id, kind, ticket_id, other_id, created_by)
    values (bound_organization(), ${kind}, ${first}, ${second}, ${created_by})
    on conflict (organization_id, ticket_id, other_id, kind) do nothing
    returning id`)
  return row ? String(row.id) : null
}

/** The ticket above (the parent, or what it is a duplicate of) where the lower one of the two has one already. */
export async function findAbove(db: CommonQueryMethods, ticketId: string, type: RelationType, otherId: string): Promise<string | null> {
  const { kind, isFirst } = KEPT[type]
  if (kind === 'related') return null
  const row = await db.maybeOne(sql.typeAlias('id')`
    select other_id as id from ticket_relations
     where organization_id = bound_organization() and kind = ${kind} and ticket_id = ${isFirst ? ticketId : otherId}`)
  return row ? String(row.id) : null
}

export async function countRelations(db: CommonQueryMethods, ticketId: string): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`
    select count(*) as count from ticket_relations where organization_id = bound_organization() and ${ticketId} in (ticket_id, other_id)`)
}

export async function deleteRelation(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from ticket_relations where organization_id = bound_organization() and id = ${id}`)
}
