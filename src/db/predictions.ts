import { z } from 'zod'
import { SUGGESTION_STATES } from '#machines/suggestion-step.ts'
import type { SuggestionState } from '#machines/suggestion-step.ts'
import { fieldValue } from './ai-labels.ts'
import type { FieldValue } from './ai-labels.ts'
import { groupOfTicket } from './own-values.ts'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const PREDICTED_FIELDS = ['category', 'priority', 'tags', 'group', 'assignee', 'sentiment', 'escalation', 'smart_reply'] as const
export type PredictedField = (typeof PREDICTED_FIELDS)[number]

export const AI_MODES = ['apply', 'suggest', 'silent'] as const
export type AiMode = (typeof AI_MODES)[number]

export interface NewPrediction {
  ticket_id: string
  field: PredictedField
  /** The best guess, also where it is not offered. */
  value: FieldValue | null
  confidence: number | null
  mode: AiMode
  threshold: number
  /** Whether an agent is shown it; what is not sure enough or silent is only recorded. */
  is_offered: boolean
  explanation: unknown
  /** `model@version` */
  model_id: string
  inputs_hash: Buffer
}

/**
 * Records what a model says of one field, in the place of what it said before. The same guess from the same model and text
 * is recorded once, so that what an agent has rejected does not come back.
 *
 * @returns the new prediction's id, or null where it was there already
 */
export async function recordPrediction(db: CommonQueryMethods, prediction: NewPrediction): Promise<string | null> {
  const { ticket_id, field, value, inputs_hash, is_offered } = prediction
  const [model, version = ''] = prediction.model_id.split('@')
  const live = await db.maybeOne(sql.type(z.object({ id: z.string(), is_same: z.boolean() }))`
    select id, value is not distinct from ${jsonOf(value)}::jsonb
               and (coalesce(state in ('accepted', 'edited', 'rejected'), false)
                    or inputs_hash = ${sql.binary(inputs_hash)} and confidence is not distinct from ${prediction.confidence}::float8
                       and (state is not null) = ${is_offered}) as is_same
      from ai_predictions where organization_id = bound_organization() and ticket_id = ${ticket_id} and field = ${field} and is_live for update`)
  if (live?.is_same) return null
  if (live) await replacePrediction(db, live.id)
  return db.oneFirst(sql.type(z.object({ id: z.string() }))`
    insert into ai_predictions (organization_id, ticket_id, field, value, confidence, mode, threshold, state, explanation, model, version, inputs_hash)
    values (bound_organization(), ${ticket_id}, ${field}, ${jsonOf(value)}::jsonb, ${prediction.confidence}, ${prediction.mode}, ${prediction.threshold},
            ${is_offered ? 'offered' : null}, ${JSON.stringify(prediction.explanation)}::jsonb, ${model!}, ${version}, ${sql.binary(inputs_hash)})
    returning id`)
}

async function replacePrediction(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update ai_predictions
       set is_live = false, state = case when state = 'offered' then 'replaced' else state end,
           decided_at = case when state = 'offered' then now() else decided_at end
     where organization_id = bound_organization() and id = ${id}`)
}

const jsonOf = (value: FieldValue | null) => (value === null ? null : JSON.stringify(value))

export const predictionRow = z.object({
  id: z.string(),
  field: z.enum(PREDICTED_FIELDS),
  value: fieldValue.nullable(),
  previous: z.unknown(),
  confidence: z.number().nullable(),
  mode: z.enum(AI_MODES),
  threshold: z.number(),
  state: z.enum(SUGGESTION_STATES).nullable(),
  applied_at: z.date().nullable(),
  explanation: z.unknown(),
  model: z.string(),
  version: z.string(),
  inputs_hash: z.string(),
  created_at: z.date(),
  decided_at: z.date().nullable(),
  decided_by: z.string().nullable(),
  final_value: fieldValue.nullable(),
  /** Decided in this very transaction. */
  just_decided: z.boolean(),
})
export type PredictionRow = z.infer<typeof predictionRow>

const columns = sql.fragment`
  id, field, value, previous, confidence, mode, threshold, state, applied_at, explanation, model, version, encode(inputs_hash, 'hex') as inputs_hash,
  created_at, decided_at, decided_by, final_value,
  coalesce(decided_at = now(), false) as just_decided`

/** What models say of a ticket now, one row a field. */
export async function livePredictions(db: CommonQueryMethods, ticketId: string): Promise<readonly PredictionRow[]> {
  return db.any(sql.type(predictionRow)`
    select ${columns} from ai_predictions where organization_id = bound_organization() and ticket_id = ${ticketId} and is_live order by field`)
}

/** The same, locked until the transaction ends: decisions on a ticket take turns. */
export async function lockPredictions(db: CommonQueryMethods, ticketId: string): Promise<readonly PredictionRow[]> {
  return db.any(sql.type(predictionRow)`
    select ${columns} from ai_predictions where organization_id = bound_organization() and ticket_id = ${ticketId} and is_live order by field for update`)
}

/** Notes that a prediction was written to its ticket, and what stood there before. */
export async function notePredictionApplied(db: CommonQueryMethods, id: string, previous: FieldValue | null): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update ai_predictions set applied_at = now(), previous = ${JSON.stringify(previous)}::jsonb where organization_id = bound_organization() and id = ${id}`)
}

/** The group to whose members a ticket goes because triage may decide so, or an agent has said so in its place; null where that is nobody's. */
export async function appliedGroup(db: CommonQueryMethods, ticketId: string): Promise<string | null> {
  return db.maybeOneFirst(sql.type(z.object({ id: z.string() }))`
    select agent_groups.id
      from ai_predictions prediction
      join agent_groups on agent_groups.organization_id = prediction.organization_id and agent_groups.name = coalesce(final_value, value) #>> '{}'
     where prediction.organization_id = bound_organization() and ticket_id = ${ticketId} and field = 'group' and is_live
       and applied_at is not null and state is distinct from 'rejected'`)
}

export interface Decision {
  state: SuggestionState
  decided_by: string | null
  via: 'suggestion' | 'ticket' | 'closing' | 'expiry'
  final_value?: FieldValue | null
  edit_distance?: number | null
}

/** Notes what was decided on an offered prediction, and when. */
export async function decidePrediction(db: CommonQueryMethods, id: string, decision: Decision): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update ai_predictions
       set state = ${decision.state}, decided_at = now(), decided_by = ${decision.decided_by}, decided_via = ${decision.via},
           final_value = ${jsonOf(decision.final_value ?? null)}::jsonb, edit_distance = ${decision.edit_distance ?? null}
     where organization_id = bound_organization() and id = ${id} and state = 'offered'`)
}

const score = z.object({ field: z.enum(PREDICTED_FIELDS), is_right: z.boolean().nullable(), is_first: z.boolean() })

/**
 * Scores every prediction of a ticket by what the ticket is now that it is solved. A priority that nobody looked at and a
 * field that stayed empty tell nothing, unless an agent rejected what was suggested.
 */
export async function scorePredictions(db: CommonQueryMethods, ticketId: string): Promise<readonly z.infer<typeof score>[]> {
  return db.any(sql.type(score)`
    with truth as (
      select 'category' as field, to_jsonb(service.name) as value
        from tickets ticket join services service on service.organization_id = ticket.organization_id and service.id = service_id
       where ticket.organization_id = bound_organization() and ticket.id = ${ticketId}
      union all
      select 'group', to_jsonb(${groupOfTicket})
        from tickets ticket left join services service on service.organization_id = ticket.organization_id and service.id = service_id
       where ticket.organization_id = bound_organization() and ticket.id = ${ticketId} and ${groupOfTicket} is not null
      union all
      select 'sentiment', value from (
        select value from ai_labels where organization_id = bound_organization() and ticket_id = ${ticketId} and field = 'sentiment' and is_right
         order by id desc limit 1) said
      union all
      select 'priority', to_jsonb(priority::text) from tickets where organization_id = bound_organization() and id = ${ticketId} and accepted_at is not null
      union all
      select 'tags', to_jsonb(tags) from tickets where organization_id = bound_organization() and id = ${ticketId} and tags <> '{}'
      union all
      select 'assignee', to_jsonb(assigned_to::text) from tickets where organization_id = bound_organization() and id = ${ticketId} and assigned_to is not null
    )
    update ai_predictions prediction
       set final_value = coalesce(truth.value, prediction.final_value), scored_at = now(),
           is_right = case when truth.value is null then case when prediction.state = 'rejected' then false end
                           when prediction.field = 'tags' then prediction.value <@ truth.value
                           else prediction.value = truth.value end
      from ai_predictions known left join truth on truth.field = known.field
     where known.organization_id = prediction.organization_id and known.id = prediction.id and prediction.organization_id = bound_organization() and prediction.ticket_id = ${ticketId}
       and prediction.field in ('category', 'priority', 'tags', 'group', 'assignee', 'sentiment') and prediction.value is not null
    returning prediction.field, prediction.is_right, known.scored_at is null as is_first`)
}

/** Ends what nobody decided on: the ticket is over. */
export async function expirePredictions(db: CommonQueryMethods, ticketId: string): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update ai_predictions set state = 'expired', decided_at = now(), decided_via = 'closing'
     where organization_id = bound_organization() and ticket_id = ${ticketId} and state = 'offered'`)
}

/** Whether this database keeps predictions: it does not after it was taken down to an older version. */
export async function hasPredictions(db: CommonQueryMethods): Promise<boolean> {
  return db.oneFirst(sql.type(z.object({ known: z.boolean() }))`select to_regclass('ai_predictions') is not null as known`)
}
