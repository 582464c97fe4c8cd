import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const dueCheck = z.object({ organization_id: z.string(), ticket_id: z.string(), next_check_at: z.date(), delay_ms: z.number() })

/** Tickets of all organisations whose clocks are to be looked at within so many seconds, the longest due first. */
export async function dueChecks(db: CommonQueryMethods, withinSeconds: number, limit: number): Promise<readonly z.infer<typeof dueCheck>[]> {
  return db.any(sql.type(dueCheck)`
    select organization_id, ticket_id, next_check_at, greatest(0, extract(epoch from next_check_at - now()) * 1000)::float8 as delay_ms
      from sla_checks where next_check_at <= now() + make_interval(secs => ${withinSeconds})
     order by next_check_at limit ${limit}`)
}

/** Plans the next look at a ticket's clocks, unless something happened since they were read: then the plan is to look now. */
export async function planChecks(
  db: CommonQueryMethods,
  plans: readonly { ticket_id: string; next_check_at: Date | null; check_version: number | null }[],
): Promise<void> {
  if (plans.length === 0) return
  await db.query(sql.typeAlias('void')`
    insert into sla_checks (organization_id, ticket_id, next_check_at, version)
    select bound_organization(), ticket_id, next_check_at, coalesce(check_version, 1)
      from jsonb_to_recordset(${JSON.stringify(plans)}::jsonb) as given (ticket_id uuid, next_check_at timestamptz, check_version bigint)
     where exists (select from tickets where organization_id = bound_organization() and tickets.id = given.ticket_id)
     order by ticket_id
    on conflict (organization_id, ticket_id) do update set next_check_at = excluded.next_check_at where sla_checks.version = excluded.version`)
}

/** Brings the minutes to breach of tickets up to date that are due within so many minutes. @returns how many had changed */
export async function refreshMinutesToBreach(db: CommonQueryMethods, withinMinutes: number): Promise<number> {
  return db.oneFirst(sql.type(z.object({ refreshed: z.number() }))`
    select refresh_minutes_to_breach(make_interval(mins => ${withinMinutes})) as refreshed`)
}
