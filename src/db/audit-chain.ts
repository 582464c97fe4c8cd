import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Where a chain stands: an organisation's, or with null the installation's. */
export const chainHead = z.object({ organization_id: z.string().nullable(), slug: z.string().nullable(), id: z.number(), seq: z.number(), hash: z.string() })
export type ChainHead = z.infer<typeof chainHead>

/** A row of a chain as text, exactly as its hash covers it. */
const chainRow = z.object({
  seq: z.string(),
  id: z.string(),
  organization_id: z.string().nullable(),
  actor_id: z.string().nullable(),
  action: z.string(),
  entity_type: z.string(),
  entity_id: z.string(),
  details: z.string(),
  request_id: z.string().nullable(),
  at_us: z.string(),
  hash: z.instanceof(Buffer),
})
export type ChainRow = z.infer<typeof chainRow>

/** Makes the transaction see one moment, whatever is written meanwhile. It must be its first statement. */
export async function freezeSnapshot(db: CommonQueryMethods): Promise<void> {
  await db.query(sql.unsafe`set transaction isolation level repeatable read, read only`)
}

/** Every chain there is: those with a head, and those of which only rows are left. */
export async function listChains(db: CommonQueryMethods): Promise<readonly (Omit<ChainHead, 'id' | 'seq' | 'hash'> & { head: ChainHead | null })[]> {
  const rows = await db.any(
    sql.type(z.object({ organization_id: z.string().nullable(), slug: z.string().nullable(), head: chainHead.omit({ slug: true }).nullable() }))`
    with recursive tenants as (
      (select audit_tenant(organization_id) as tenant from audit_log order by 1 limit 1)
      union all
      select (select audit_tenant(organization_id) from audit_log where audit_tenant(organization_id) > tenants.tenant order by 1 limit 1) from tenants where tenant is not null
    ), chains as (
      select tenant from tenants where tenant is not null union select tenant from audit_heads
    )
    select nullif(tenant, audit_tenant(null)) as organization_id, organization.slug,
           case when head.tenant is null then null
                else jsonb_build_object('organization_id', nullif(head.tenant, audit_tenant(null)), 'id', head.id, 'seq', head.seq, 'hash', encode(head.hash, 'hex')) end as head
      from chains left join audit_heads head using (tenant) left join organizations organization on organization.id = tenant
     order by organization.slug nulls first`,
  )
  return rows.map(({ organization_id, slug, head }) => ({ organization_id, slug, head: head && { ...head, slug } }))
}

/** The rows of a chain in its order, after a place. */
export async function chainAfter(db: CommonQueryMethods, organizationId: string | null, seq: number, limit: number): Promise<readonly ChainRow[]> {
  return db.any(sql.type(chainRow)`
    select seq::text, id::text, organization_id::text, actor_id::text, action, entity_type, entity_id, details::text, request_id,
           (extract(epoch from at) * 1000000)::int8::text as at_us, hash
      from audit_log where audit_tenant(organization_id) = audit_tenant(${organizationId}::uuid) and audit_log.seq > ${seq}
     order by audit_log.seq limit ${limit}`)
}

/** The hash that retention left in a chain for the row after `seq`; null where it left none. */
export async function findAnchor(db: CommonQueryMethods, organizationId: string | null, seq: number): Promise<string | null> {
  return db.maybeOneFirst(sql.type(z.object({ hash: z.string() }))`
    select details ->> 'through_hash' as hash from audit_log
     where audit_tenant(organization_id) = audit_tenant(${organizationId}::uuid) and entity_type = 'audit' and action = 'audit.prune'
       and details ->> 'through_seq' = ${String(seq)}
     order by audit_log.seq desc limit 1`)
}

/** Removes rows older than `keepDays` from every chain, at most `limit` from each; an anchor stays in each. @returns how many went */
export async function pruneAudit(db: CommonQueryMethods, keepDays: number, limit: number): Promise<number> {
  return db.oneFirst(sql.type(z.object({ removed: z.number() }))`select prune_audit(${keepDays}, ${limit}) as removed`)
}
