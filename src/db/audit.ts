import { z } from 'zod'
import { prepared, sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export interface AuditEntry {
  /** Null for what concerns the installation. */
  organization_id: string | null
  /** Null where the service itself did it. */
  actor_id: string | null
  /** What was done, as `thing.verb`: `job.cancel`. */
  action: string
  entity_type: string
  entity_id: string
  details?: unknown
  request_id: string | null
}

/** Notes who did what, in the transaction of what was done. The row gets its id, its place and its hash as that commits. */
export async function insertAudit(db: CommonQueryMethods, entry: AuditEntry): Promise<void> {
  await db.query(
    prepared(
      'insert-audit',
      sql.typeAlias('void')`
    insert into audit_log (organization_id, actor_id, action, entity_type, entity_id, details, request_id)
    values (${entry.organization_id}, ${entry.actor_id}, ${entry.action}, ${entry.entity_type}, ${entry.entity_id},
            ${JSON.stringify(entry.details ?? {})}::jsonb, ${entry.request_id})`,
    ),
  )
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
  seq: z.number().nullable(),
  hash: z.string().nullable(),
})
export type AuditRow = z.infer<typeof auditRow>

export interface AuditFilter {
  organization_id: string | null
  actor_id: string | null
  action: string | null
  entity_type: string | null
  entity_id: string | null
  since: string | null
  until: string | null
}

/** The place in the chain came later than the table and goes when the database is taken down: read by name, it may be missing. */
const columns = sql.fragment`
  id, organization_id, actor_id, action, entity_type, entity_id, details - 'idempotency' as details, request_id, at,
  (to_jsonb(entry) ->> 'seq')::int8 as seq, substr(to_jsonb(entry) ->> 'hash', 3) as hash`

const passing = (filter: AuditFilter) => sql.fragment`
  (${filter.organization_id}::uuid is null or organization_id = ${filter.organization_id}::uuid)
  and (${filter.actor_id}::uuid is null or actor_id = ${filter.actor_id}::uuid)
  and (${filter.action}::text is null or action = ${filter.action})
  and (${filter.entity_type}::text is null or entity_type = ${filter.entity_type})
  and (${filter.entity_id}::text is null or entity_id = ${filter.entity_id})
  and (${filter.since}::timestamptz is null or at >= ${filter.since}::timestamptz)
  and (${filter.until}::timestamptz is null or at < ${filter.until}::timestamptz)`

/** Who did what, the newest first, below an id where it is given. An organisation's connection sees its own rows only. */
export async function listAudit(db: CommonQueryMethods, filter: AuditFilter, page: { before: number | null; limit: number }): Promise<readonly AuditRow[]> {
  return db.any(sql.type(auditRow)`
    select ${columns} from audit_log entry
     where (${page.before}::int8 is null or id < ${page.before}::int8) and ${passing(filter)}
     order by id desc limit ${page.limit}`)
}

/** The same, the oldest first, above an id: what an export reads page by page. */
export async function listAuditAfter(db: CommonQueryMethods, filter: AuditFilter, page: { after: number; limit: number }): Promise<readonly AuditRow[]> {
  return db.any(sql.type(auditRow)`
    select ${columns} from audit_log entry where id > ${page.after}::int8 and ${passing(filter)} order by id limit ${page.limit}`)
}
