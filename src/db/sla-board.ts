import { z } from 'zod'
import { TICKET_STATES } from '#machines/ticket.ts'
import { PRIORITIES } from './job-inputs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const due = z.object({
  ticket_id: z.string(),
  number: z.number(),
  subject: z.string(),
  status: z.enum(TICKET_STATES),
  priority: z.enum(PRIORITIES),
  assigned_to: z.string().nullable(),
  sla_due_at: z.date(),
  sla_risk_score: z.number().nullable(),
})

/** Open tickets of the bound organisation that are due within so many seconds, or overdue; the longest due first. */
export async function listDueSoon(db: CommonQueryMethods, seconds: number, limit: number): Promise<readonly z.infer<typeof due>[]> {
  return db.any(sql.type(due)`
    select id as ticket_id, number, subject, status, priority, assigned_to, sla_due_at, sla_risk_score::float8 as sla_risk_score
      from tickets
     where organization_id = bound_organization() and coalesce(sla_due_at, 'infinity') < now() + make_interval(secs => ${seconds})
       and status in ('accepted', 'assigned', 'in_progress', 'waiting_customer')
     order by coalesce(sla_due_at, 'infinity'), number limit ${limit}`)
}

const breach = z.object({
  ticket_id: z.string(),
  number: z.number(),
  subject: z.string(),
  status: z.enum(TICKET_STATES),
  clock: z.string(),
  cycle: z.number(),
  breached_at: z.date(),
  noticed_at: z.date(),
})

/** The breaches of the bound organisation that were recorded in the last `seconds`, the newest first. */
export async function listBreaches(db: CommonQueryMethods, seconds: number, limit: number): Promise<readonly z.infer<typeof breach>[]> {
  return db.any(sql.type(breach)`
    select ticket_id, number, subject, status, clock, cycle, due_at as breached_at, taken_at as noticed_at
      from sla_steps_taken step join tickets on tickets.organization_id = step.organization_id and tickets.id = ticket_id
     where step.organization_id = bound_organization() and step = 'breach' and taken_at > now() - make_interval(secs => ${seconds})
     order by taken_at desc, ticket_id limit ${limit}`)
}

const lateness = z.object({
  steps: z.number(),
  p50_seconds: z.number().nullable(),
  p95_seconds: z.number().nullable(),
  greatest_seconds: z.number().nullable(),
})

/**
 * How long after their time the warnings, breaches and escalations of the last `seconds` were recorded. What a change of
 * terms made of the past, and what was over when it was looked at first, nobody could have noticed in time.
 */
export async function readLateness(db: CommonQueryMethods, seconds: number): Promise<z.infer<typeof lateness>> {
  return db.one(sql.type(lateness)`
    select count(*) as steps, percentile_cont(0.5) within group (order by late) as p50_seconds, percentile_cont(0.95) within group (order by late) as p95_seconds,
           max(late) as greatest_seconds
      from (select greatest(0, extract(epoch from taken_at - step.due_at))::float8 as late
              from sla_steps_taken step left join sla_cycles using (organization_id, ticket_id, clock, cycle)
             where step.organization_id = bound_organization() and taken_at > now() - make_interval(secs => ${seconds})
               and breach_reason is distinct from 'retroactive' and (fulfilled_at is null or fulfilled_at >= taken_at)) as taken`)
}
