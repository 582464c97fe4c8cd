import { z } from 'zod'
import { eventTypeOf } from './event-types.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const row = z.object({
  id: z.number(),
  organization_id: z.string().nullable(),
  actor_id: z.string().nullable(),
  action: z.string(),
  entity_type: z.string(),
  entity_id: z.string(),
  ticket_id: z.string().nullable(),
  requester_id: z.string().nullable(),
  requester_is_customer: z.boolean().nullable(),
  details: z.record(z.string(), z.unknown()),
  at: z.date(),
})

/** Something that happened: a row of the audit, with what says who may hear of it. */
export type EventRow = z.infer<typeof row> & { type: string }

/**
 * What happened in the bound organisation (with none bound: in the installation) after an event, the oldest first. Ids
 * grow in the order of the commits: who has read up to one has missed none.
 */
export async function eventsAfter(db: CommonQueryMethods, organizationId: string | null, after: number, limit: number): Promise<readonly EventRow[]> {
  const rows = await db.any(sql.type(row)`
    with event as materialized (
      select id, organization_id, actor_id, action, entity_type, entity_id, details - 'idempotency' as details, at,
             substring(case when entity_type = 'ticket' then entity_id else details ->> 'ticket_id' end from '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$')::uuid as ticket_id
        from audit_log
       where organization_id is not distinct from ${organizationId}::uuid and id > ${after}
       order by id limit ${limit}
    )
    select event.*, ticket.requester_id, requester.role in ('customer_user', 'customer_admin') as requester_is_customer
      from event
      left join tickets ticket on ticket.organization_id = event.organization_id and ticket.id = event.ticket_id
      left join users requester on requester.organization_id = ticket.organization_id and requester.id = ticket.requester_id
     order by event.id`)
  return rows.map((each) => ({ ...each, type: eventTypeOf(each.action) }))
}

/** The newest event of the organisation, or of the installation; 0 where there is none. */
export async function lastEventId(db: CommonQueryMethods, organizationId: string | null): Promise<number> {
  const head = await db.maybeOne(sql.type(z.object({ id: z.number() }))`select id from audit_heads where tenant = audit_tenant(${organizationId}::uuid)`)
  return head?.id ?? 0
}

const moved = z.object({ organization_id: z.string().nullable(), id: z.number(), horizon: z.string() })

/**
 * Whose log has grown since a horizon, and how far; with the next horizon, before which everything is settled and was
 * told. Without one, all are told.
 */
export async function movedLogs(
  db: CommonQueryMethods,
  since: string | null,
): Promise<{ horizon: string; logs: readonly { organization_id: string | null; id: number }[] }> {
  const rows = await db.any(sql.type(moved.extend({ id: z.number().nullable() }))`
    with snapshot as materialized (select pg_snapshot_xmin(pg_current_snapshot()) as xmin)
    select nullif(tenant, audit_tenant(null)) as organization_id, id, xmin::text as horizon
      from snapshot left join audit_heads on ${since}::text is null or xact >= ${since}::text::xid8`)
  return { horizon: rows[0]!.horizon, logs: rows.flatMap(({ organization_id, id }) => (id === null ? [] : [{ organization_id, id }])) }
}

/** Organisations whose log has not been followed to its end, the longest waiting first. For the installation's role. */
export async function unfollowedLogs(db: CommonQueryMethods, limit: number): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ organization_id: z.string() }))`
    select tenant as organization_id from audit_heads left join event_cursors on organization_id = tenant
     where tenant <> audit_tenant(null) and id > coalesce(through_id, 0)
     order by event_cursors.updated_at nulls first limit ${limit}`)
}

/** How far the bound organisation's log was followed, held for this transaction; null while another one follows it. */
export async function lockCursor(db: CommonQueryMethods): Promise<number | null> {
  await db.query(sql.typeAlias('void')`
    insert into event_cursors (organization_id, through_id) values (bound_organization(), 0) on conflict do nothing`)
  return db.maybeOneFirst(sql.type(z.object({ through_id: z.number() }))`
    select through_id from event_cursors where organization_id = bound_organization() for update skip locked`)
}

/** Notes how far the bound organisation's log was followed. */
export async function moveCursor(db: CommonQueryMethods, through: number): Promise<void> {
  await db.query(sql.typeAlias('void')`update event_cursors set through_id = ${through}, updated_at = now() where organization_id = bound_organization()`)
}
