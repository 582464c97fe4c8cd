import { z } from 'zod'
import type { Priority } from './job-inputs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** One cycle of a clock as it stands. */
export interface SlaCycle {
  ticket_id: string
  clock: 'first_response' | 'next_response' | 'resolution'
  cycle: number
  state: string
  priority: Priority
  target_seconds: number
  elapsed_seconds: number
  started_at: Date
  due_at: Date | null
  breached_at: Date | null
  breach_reason: 'due' | 'retroactive' | null
  fulfilled_at: Date | null
}

/** Records how clocks stand. A breach that is recorded stays as it is. */
export async function upsertSlaCycles(db: CommonQueryMethods, cycles: readonly SlaCycle[]): Promise<void> {
  if (cycles.length === 0) return
  await db.query(sql.typeAlias('void')`
    insert into sla_cycles (organization_id, ticket_id, clock, cycle, state, priority, target_seconds, elapsed_seconds,
                            started_at, due_at, breached_at, breach_reason, fulfilled_at)
    select bound_organization(), ticket_id, clock, cycle, state, priority, target_seconds, elapsed_seconds, started_at, due_at, breached_at, breach_reason, fulfilled_at
      from jsonb_to_recordset(${JSON.stringify(cycles)}::jsonb) as given (
        ticket_id uuid, clock text, cycle integer, state text, priority ticket_priority, target_seconds float8, elapsed_seconds float8,
        started_at timestamptz, due_at timestamptz, breached_at timestamptz, breach_reason text, fulfilled_at timestamptz)
     where exists (select from tickets where organization_id = bound_organization() and tickets.id = given.ticket_id)
    on conflict (organization_id, ticket_id, clock, cycle) do update
      set state = excluded.state, priority = excluded.priority, target_seconds = excluded.target_seconds, elapsed_seconds = excluded.elapsed_seconds,
          started_at = excluded.started_at, due_at = excluded.due_at, fulfilled_at = excluded.fulfilled_at,
          breached_at = coalesce(sla_cycles.breached_at, excluded.breached_at),
          breach_reason = coalesce(sla_cycles.breach_reason, excluded.breach_reason), updated_at = now()
    where (sla_cycles.state, sla_cycles.due_at, sla_cycles.fulfilled_at, sla_cycles.target_seconds, sla_cycles.elapsed_seconds)
      is distinct from (excluded.state, excluded.due_at, excluded.fulfilled_at, excluded.target_seconds, excluded.elapsed_seconds)`)
}

/** Writes to the tickets when they are due; a figure of the service, so neither their version nor `updated_at` changes. */
export async function updateSlaDue(
  db: CommonQueryMethods,
  standings: readonly { ticket_id: string; due_at: Date | null; time_to_breach_minutes: number | null }[],
): Promise<void> {
  if (standings.length === 0) return
  await db.query(sql.typeAlias('void')`
    update tickets set sla_due_at = given.due_at, time_to_breach_minutes = given.time_to_breach_minutes
      from jsonb_to_recordset(${JSON.stringify(standings)}::jsonb) as given (ticket_id uuid, due_at timestamptz, time_to_breach_minutes integer)
     where organization_id = bound_organization() and tickets.id = given.ticket_id
       and (tickets.sla_due_at, tickets.time_to_breach_minutes) is distinct from (given.due_at, given.time_to_breach_minutes)`)
}

/** Whether this database keeps SLA clocks: it does not after it was taken down to an older version. */
export async function hasSlaClocks(db: CommonQueryMethods): Promise<boolean> {
  return db.oneFirst(sql.type(z.object({ there: z.boolean() }))`
    select to_regclass('sla_cycles') is not null and to_regclass('sla_checks') is not null as there`)
}

/** Stops the clocks of a ticket that was cancelled: nothing is due any more. A breach that is recorded stays. */
export async function cancelSlaClocks(db: CommonQueryMethods, ticketId: string): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update sla_cycles set state = 'cancelled', due_at = null, updated_at = now()
     where organization_id = bound_organization() and ticket_id = ${ticketId} and fulfilled_at is null`)
  await db.query(sql.typeAlias('void')`
    update tickets set sla_due_at = null, time_to_breach_minutes = null, sla_risk_score = null
     where organization_id = bound_organization() and id = ${ticketId}`)
}

/** Writes risks to their tickets. */
export async function updateSlaRisk(db: CommonQueryMethods, risks: readonly { ticket_id: string; risk: number | null }[]): Promise<void> {
  if (risks.length === 0) return
  await db.query(sql.typeAlias('void')`
    update tickets set sla_risk_score = given.risk
      from jsonb_to_recordset(${JSON.stringify(risks)}::jsonb) as given (ticket_id uuid, risk real)
     where organization_id = bound_organization() and tickets.id = given.ticket_id and sla_risk_score is distinct from given.risk`)
}

const outcomes = z.object({ rows: z.number(), missed: z.number() })

/**
 * Of the newest resolution clocks of this priority that were still running when `share` of their target was used up:
 * how many there were, and how many were missed.
 */
export async function pastOutcomes(db: CommonQueryMethods, priority: Priority, share: number, limit: number): Promise<z.infer<typeof outcomes>> {
  return db.one(sql.type(outcomes)`
    select count(*) as rows, count(*) filter (where state = 'missed') as missed
      from (select state, elapsed_seconds, target_seconds from sla_cycles
             where organization_id = bound_organization() and clock = 'resolution' and fulfilled_at is not null and priority = ${priority}
             order by fulfilled_at desc limit ${limit}) past
     where elapsed_seconds > ${share} * target_seconds`)
}
