import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const historyRow = z.object({
  at: z.coerce.date(),
  action: z.string(),
  actor: z.object({ id: z.string(), full_name: z.string(), role: z.string() }).nullable(),
  details: z.unknown(),
})

const positioned = historyRow.extend({ at_us: z.number(), source: z.number(), key: z.string() })
export type HistoryRow = z.infer<typeof positioned>

/** After which row a page begins. */
export type HistoryPosition = Pick<HistoryRow, 'at_us' | 'source' | 'key'>

/**
 * What happened to a ticket, the oldest first: its creation, what people did (the audit), what was said, and the changes
 * of status and priority that no audit row of the same transaction explains: those are a job's, and have no actor.
 */
export async function listTicketHistory(
  db: CommonQueryMethods,
  ticketId: string,
  sees: { internal: boolean },
  page: { after: HistoryPosition | null; limit: number },
): Promise<readonly HistoryRow[]> {
  return db.any(sql.type(positioned)`
    with happened as (
      select created_at as at, 0 as source, '' as key, 'ticket.create' as action, requester_id as actor_id, jsonb_build_object('number', number) as details
        from tickets where organization_id = bound_organization() and id = ${ticketId}::uuid
      union all
      select at, 1, lpad(id::text, 19, '0'), action, actor_id, case when ${sees.internal} then details else details - 'rule' - 'group' end
        from audit_log where organization_id = bound_organization() and entity_type = 'ticket' and entity_id = ${ticketId}::text
           and (${sees.internal} or details -> 'is_internal' is distinct from 'true') and action <> 'ticket.create'
      union all
      select at, 2, lpad(id::text, 19, '0'), case when from_status = to_status then 'ticket.edit' else 'ticket.status' end, null,
             case when from_status = to_status then '{}' else jsonb_build_object('status', jsonb_build_object('from', from_status, 'to', to_status)) end
             || case when from_priority = to_priority then '{}' else jsonb_build_object('priority', jsonb_build_object('from', from_priority, 'to', to_priority)) end
        from ticket_transitions transition
       where organization_id = bound_organization() and ticket_id = ${ticketId}::uuid
         and not exists (select from audit_log audit
                          where audit.organization_id = transition.organization_id and entity_type = 'ticket' and entity_id = ${ticketId}::text
                            and audit.at = transition.at)
      union all
      select created_at, 3, id::text, 'comment.create', author_id, jsonb_build_object('comment_id', id, 'is_internal', is_internal, 'is_ai_generated', is_ai_generated)
        from comments where organization_id = bound_organization() and ticket_id = ${ticketId}::uuid and (${sees.internal} or not is_internal)
    ), placed as (
      select *, (extract(epoch from at) * 1000000)::int8 as at_us from happened
    )
    select at, action, case when actor.id is null then null else jsonb_build_object('id', actor.id, 'full_name', full_name, 'role', role) end as actor,
           details, at_us, source, key
      from placed left join users actor on actor.organization_id = bound_organization() and actor.id = placed.actor_id
     where ${page.after?.at_us ?? null}::int8 is null
        or (at_us, source, key) > (${page.after?.at_us ?? null}::int8, ${page.after?.source ?? null}::int4, ${page.after?.key ?? null}::text)
     order by at_us, source, key limit ${page.limit}`)
}
