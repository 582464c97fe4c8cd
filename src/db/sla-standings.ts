import { z } from 'zod'
import { TICKET_STATES } from '#machines/ticket.ts'
import { PRIORITIES } from './job-inputs.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const cycleRow = z.object({
  clock: z.enum(['first_response', 'next_response', 'resolution']),
  cycle: z.number(),
  state: z.enum(['running', 'paused', 'breached', 'met', 'missed', 'cancelled']),
  target_seconds: z.number(),
  elapsed_seconds: z.number(),
  started_at: z.date(),
  due_at: z.date().nullable(),
  breached_at: z.date().nullable(),
  breach_reason: z.enum(['due', 'retroactive']).nullable(),
  fulfilled_at: z.date().nullable(),
})
export type RecordedCycle = z.infer<typeof cycleRow>

/** What was recorded of a ticket's clocks, the first cycle first. */
export async function listSlaCycles(db: CommonQueryMethods, ticketId: string): Promise<readonly RecordedCycle[]> {
  return db.any(sql.type(cycleRow)`
    select clock, cycle, state, target_seconds, elapsed_seconds, started_at, due_at, breached_at, breach_reason, fulfilled_at
      from sla_cycles where organization_id = bound_organization() and ticket_id = ${ticketId} order by clock, cycle`)
}

export const predictionRow = z.object({
  ticket_id: z.string(),
  number: z.number(),
  subject: z.string(),
  status: z.enum(TICKET_STATES),
  priority: z.enum(PRIORITIES),
  assigned_to: z.string().nullable(),
  sla_due_at: z.date().nullable(),
  time_to_breach_minutes: z.number().nullable(),
  sla_risk_score: z.number(),
  /** What the risk was come by, and by which model; null before the first prediction. */
  basis: z.string().nullable(),
  model: z.string().nullable(),
  version: z.number().nullable(),
  predicted_at: z.date().nullable(),
  solved_early: z.date().nullable(),
  solved_likely: z.date().nullable(),
  solved_late: z.date().nullable(),
})
export type PredictionRow = z.infer<typeof predictionRow>

/** Open tickets with a prediction, the likeliest breach first; those after a risk and number where they are given. */
export async function listPredictions(
  db: CommonQueryMethods,
  page: { after: { risk: number; number: number } | null; limit: number },
): Promise<readonly PredictionRow[]> {
  return db.any(sql.type(predictionRow)`
    select id as ticket_id, number, subject, status, priority, assigned_to, sla_due_at, time_to_breach_minutes, sla_risk_score::float8 as sla_risk_score,
           basis, case when model_version is null then null else 'sla-risk-trees' end as model, model_version as version, predicted_at,
           solved_early, solved_likely, solved_late
      from tickets ticket left join lateral (
        select basis, model_version, predicted_at, solved_early, solved_likely, solved_late from sla_predictions prediction
         where prediction.organization_id = ticket.organization_id and prediction.ticket_id = ticket.id order by prediction.id desc limit 1
      ) last on true
     where organization_id = bound_organization() and sla_started_at is not null and sla_risk_score is not null
       and status in ('accepted', 'assigned', 'in_progress', 'waiting_customer')
       and (${page.after?.risk ?? null}::float8 is null
            or (-sla_risk_score::float8, number) > (-${page.after?.risk ?? null}::float8, ${page.after?.number ?? null}::int8))
     order by -sla_risk_score::float8, number limit ${page.limit}`)
}
