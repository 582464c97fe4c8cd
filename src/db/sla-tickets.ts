import { z } from 'zod'
import { PRIORITIES } from './job-inputs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const instant = z.coerce.date()
const targets = z.partialRecord(z.enum(PRIORITIES), z.number().positive().nullable())

const policyTerm = z.object({
  /** Null: from the beginning. */
  valid_from: instant.nullable(),
  first_response_minutes: targets,
  next_response_minutes: targets,
  resolution_minutes: targets,
  pause_states: z.array(z.string()),
  reopen_mode: z.enum(['resume', 'new_cycle']),
  calendar: z.unknown(),
})
/** What a policy says from an instant on. */
export type PolicyTerm = z.infer<typeof policyTerm>

const policyFacts = z.object({
  id: z.string(),
  name: z.string(),
  calendar_id: z.string().nullable(),
  warnings: z.unknown(),
  escalations: z.unknown(),
  terms: z.array(policyTerm),
})
/** A policy with all that it ever said, the oldest first. */
export type SlaPolicyFacts = z.infer<typeof policyFacts>

const slaTicket = z.object({
  id: z.string(),
  number: z.number(),
  subject: z.string(),
  status: z.string(),
  priority: z.enum(PRIORITIES),
  requester_id: z.string(),
  service_id: z.string().nullable(),
  sla_started_at: z.date().nullable(),
  sla_due_at: z.date().nullable(),
  resolved_at: z.date().nullable(),
  time_to_breach_minutes: z.number().nullable(),
  policy_id: z.string().nullable(),
  policy_changes: z.array(z.object({ from_policy_id: z.string(), to_policy_id: z.string().nullable(), at: instant })),
  transitions: z.array(
    z.object({ from_status: z.string(), to_status: z.string(), from_priority: z.enum(PRIORITIES), to_priority: z.enum(PRIORITIES), at: instant }),
  ),
  messages: z.array(z.object({ is_internal: z.boolean(), is_ai_generated: z.boolean(), from_staff: z.boolean(), at: instant })),
  /** `clock cycle step` of each. */
  steps_taken: z.array(z.string()),
  next_check_at: z.date().nullable(),
  check_version: z.number().nullable(),
  now: z.date(),
})
/** All that the clocks of one ticket count on. */
export type SlaTicket = z.infer<typeof slaTicket> & { policies: ReadonlyMap<string, SlaPolicyFacts> }

const facts = sql.fragment`
  select ticket.id, number, subject, ticket.status, ticket.priority, requester_id, service_id, sla_started_at, sla_due_at, resolved_at, time_to_breach_minutes,
         coalesce(ticket.sla_policy_id, (select policy.id from sla_policies policy where policy.organization_id = ticket.organization_id and is_default)) as policy_id,
         next_check_at, checked.version as check_version, now() as now,
         (select coalesce(jsonb_agg(jsonb_build_object('from_policy_id', from_policy_id, 'to_policy_id', to_policy_id, 'at', at) order by change.id), '[]')
            from ticket_policy_changes change where change.organization_id = ticket.organization_id and change.ticket_id = ticket.id) as policy_changes,
         (select coalesce(jsonb_agg(jsonb_build_object('from_status', from_status, 'to_status', to_status, 'from_priority', from_priority,
                                                       'to_priority', to_priority, 'at', at) order by transition.id), '[]')
            from ticket_transitions transition where transition.organization_id = ticket.organization_id and transition.ticket_id = ticket.id) as transitions,
         (select coalesce(jsonb_agg(jsonb_build_object('is_internal', is_internal, 'is_ai_generated', is_ai_generated,
                                                       'from_staff', author.role in ('agent', 'manager', 'admin'), 'at', comment.created_at) order by comment.created_at), '[]')
            from comments comment join users author on author.organization_id = comment.organization_id and author.id = comment.author_id
           where comment.organization_id = ticket.organization_id and comment.ticket_id = ticket.id) as messages,
         (select coalesce(array_agg(concat_ws(' ', clock, cycle, step)), '{}') from sla_steps_taken taken
           where taken.organization_id = ticket.organization_id and taken.ticket_id = ticket.id) as steps_taken
    from tickets ticket
    left join sla_checks checked on checked.organization_id = ticket.organization_id and checked.ticket_id = ticket.id`

/** The facts of one ticket; null where the bound organisation has no such ticket. */
export async function readSlaTicket(db: CommonQueryMethods, ticketId: string): Promise<SlaTicket | null> {
  const ticket = await db.maybeOne(sql.type(slaTicket)`${facts} where ticket.id = ${ticketId}`)
  return ticket && (await withPolicies(db, [ticket]))[0]!
}

/** The next tickets whose clock runs, or ended and is not recorded yet; in the order of their ids, after `after`. */
export async function slaTicketsAfter(db: CommonQueryMethods, after: string, limit: number): Promise<readonly SlaTicket[]> {
  const tickets = await db.any(sql.type(slaTicket)`
    ${facts}
     where ticket.organization_id = bound_organization() and ticket.id > ${after} and sla_started_at is not null and status <> 'cancelled'
       and (status not in ('resolved', 'closed')
            or (resolved_at > now() - interval '30 days' and not exists (
              select from sla_cycles cycle
               where cycle.organization_id = ticket.organization_id and cycle.ticket_id = ticket.id and clock = 'resolution' and cycle.fulfilled_at is not null
                 and cycle.fulfilled_at >= ticket.resolved_at - interval '1 second')))
     order by ticket.id limit ${limit}`)
  return withPolicies(db, tickets)
}

/** The next tickets that are still worked on and whose clock runs; in the order of their numbers, after `after`. */
export async function openSlaTicketsAfter(db: CommonQueryMethods, after: number, limit: number): Promise<readonly SlaTicket[]> {
  const tickets = await db.any(sql.type(slaTicket)`
    ${facts}
     where ticket.organization_id = bound_organization() and number > ${after} and sla_started_at is not null
       and status in ('accepted', 'assigned', 'in_progress', 'waiting_customer')
     order by number limit ${limit}`)
  return withPolicies(db, tickets)
}

/** Tickets that were solved, the last one first; those before an instant where it is given. */
export async function solvedSlaTicketsBefore(db: CommonQueryMethods, before: Date | null, limit: number): Promise<readonly SlaTicket[]> {
  const tickets = await db.any(sql.type(slaTicket)`
    ${facts}
     where ticket.organization_id = bound_organization() and sla_started_at is not null and status in ('resolved', 'closed') and resolved_at is not null
       and (${before?.toISOString() ?? null}::timestamptz is null or resolved_at < ${before?.toISOString() ?? null}::timestamptz)
     order by resolved_at desc limit ${limit}`)
  return withPolicies(db, tickets)
}

/** The policies are read once for all tickets: a calendar may be long. */
async function withPolicies(db: CommonQueryMethods, tickets: readonly z.infer<typeof slaTicket>[]): Promise<SlaTicket[]> {
  const named = tickets.flatMap(({ policy_id, policy_changes }) => [
    policy_id,
    ...policy_changes.flatMap(({ from_policy_id, to_policy_id }) => [from_policy_id, to_policy_id]),
  ])
  const ids = [...new Set(named.filter((id) => id !== null))]
  const rows = ids.length === 0 ? [] : await readPolicyFacts(db, ids)
  const policies = new Map(rows.map((row) => [row.id, row]))
  return tickets.map((ticket) => ({ ...ticket, policies }))
}

async function readPolicyFacts(db: CommonQueryMethods, ids: readonly string[]): Promise<readonly SlaPolicyFacts[]> {
  return db.any(sql.type(policyFacts)`
    select policy.id, name, calendar_id, warnings, escalations,
           (select jsonb_agg(jsonb_build_object(
                     'valid_from', nullif(valid_from, '-infinity'), 'first_response_minutes', term.first_response_minutes,
                     'next_response_minutes', term.next_response_minutes, 'resolution_minutes', term.resolution_minutes, 'pause_states', term.pause_states,
                     'reopen_mode', term.reopen_mode, 'calendar', term.calendar) order by valid_from)
              from sla_policy_terms term where term.organization_id = policy.organization_id and term.policy_id = policy.id) as terms
      from sla_policies policy where policy.organization_id = bound_organization() and policy.id = any(${sql.array(ids, 'uuid')})`)
}
