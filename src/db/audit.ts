import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export interface AuditEntry {
  /** Null for what concerns the installation. */
  organization_id: string | null
  actor_id: string
  /** What was done, as `thing.verb`: `job.cancel`. */
  action: string
  entity_type: string
  entity_id: string
  details?: unknown
  request_id: string
}

/** Notes who did what, in the transaction of what was done. */
export async function insertAudit(db: CommonQueryMethods, entry: AuditEntry): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into audit_log (organization_id, actor_id, action, entity_type, entity_id, details, request_id)
    values (${entry.organization_id}, ${entry.actor_id}, ${entry.action}, ${entry.entity_type}, ${entry.entity_id},
            ${JSON.stringify(entry.details ?? {})}::jsonb, ${entry.request_id})`)
}

/**
 * An operator's answer that was kept with the audit row of what it did: an operator has no organisation, and
 * idempotency_keys holds the keys of organisations. Looks back a day.
 */
export async function findAuditedAnswer(
  db: CommonQueryMethods,
  actorId: string,
  key: string,
): Promise<{ request_hash: string; status: number; body: unknown } | null> {
  return db.maybeOne(sql.type(z.object({ request_hash: z.string(), status: z.number(), body: z.unknown() }))`
    select details -> 'idempotency' ->> 'request_hash' as request_hash,
           (details -> 'idempotency' ->> 'status')::int as status,
           details -> 'idempotency' -> 'body' as body
      from audit_log
     where organization_id is null and actor_id = ${actorId} and details -> 'idempotency' ->> 'key' = ${key} and at > now() - interval '1 day'
     order by id desc limit 1`)
}

export const auditRow = z.object({
  id: z.number(),
  organization_id: z.string().nullable(),
  actor_id: z.string().nullable(),
  action: z.string(),
  entity_type: z.string(),
  entity_id: z.string(),
  details: z.unknown(),
  request_id: z.string().nullable(),
  at: z.date(),
})
export type AuditRow = z.infer<typeof auditRow>

export interface AuditFilter {
  organization_id: string | null
  actor_id: string | null
  action: string | null
}

/** Who did what, the newest first, below an id where it is given. An organisation's connection sees its own rows only. */
export async function listAudit(db: CommonQueryMethods, filter: AuditFilter, page: { before: number | null; limit: number }): Promise<readonly AuditRow[]> {
  return db.any(sql.type(auditRow)`
    select id, organization_id, actor_id, action, entity_type, entity_id, details - 'idempotency' as details, request_id, at
      from audit_log
     where (${page.before}::int8 is null or id < ${page.before}::int8)
       and (${filter.organization_id}::uuid is null or organization_id = ${filter.organization_id}::uuid)
       and (${filter.actor_id}::uuid is null or actor_id = ${filter.actor_id}::uuid)
       and (${filter.action}::text is null or action = ${filter.action})
     order by id desc limit ${page.limit}`)
}
