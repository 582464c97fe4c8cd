import { z } from 'zod'
import { fieldValue } from '#db/ai-labels.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { AI_MODES, livePredictions, PREDICTED_FIELDS } from '#db/predictions.ts'
import type { PredictionRow } from '#db/predictions.ts'
import { findTriage, triageRow } from '#db/ticket-ai.ts'
import type { TriageRow } from '#db/ticket-ai.ts'
import { decisionsOn, SUGGESTION_STATES } from '#machines/suggestion-step.ts'
import { refusal } from './refusal.ts'

const fieldView = z.object({
  id: z.string(),
  field: z.enum(PREDICTED_FIELDS),
  value: fieldValue.nullable().describe('Null where nothing is offered: not sure enough, or the field is silent'),
  confidence: z.number().nullable(),
  mode: z.enum(AI_MODES),
  threshold: z.number(),
  state: z.enum(SUGGESTION_STATES).nullable(),
  allowed: z.array(z.enum(['ACCEPT', 'EDIT', 'REJECT'])),
  is_applied: z.boolean().describe('It stands in the ticket already; rejecting it takes it back'),
  final_value: fieldValue.nullable(),
  why: z.unknown(),
  model: z.string(),
  version: z.string(),
  inputs_hash: z.string(),
  created_at: z.date(),
  decided_at: z.date().nullable(),
  decided_by: z.string().nullable(),
})
export type FieldView = z.infer<typeof fieldView>

/** A ticket's triage in JSON: the row that sums it up, and what was said of each field. */
export const triageView = z.object({ ...triageRow.shape, fields: z.array(fieldView) }).meta({ id: 'Triage' })

/** A ticket's triage as staff see it: what is silent stays so. @throws a refusal with 404 where there is none yet */
export async function viewTriage(db: CommonQueryMethods, ticketId: string): Promise<z.infer<typeof triageView>> {
  const triage = await findTriage(db, ticketId)
  if (!triage) throw refusal(404, 'This ticket is not triaged yet.', { type: 'urn:atum-desk:problem:not-triaged' })
  const predictions = await livePredictions(db, ticketId)
  const silent = predictions.filter(({ mode, state }) => mode === 'silent' && state === null).map(({ field }) => field)
  return { ...hush(triage, new Set(silent)), fields: predictions.filter(({ field }) => field !== 'smart_reply').map(viewField) }
}

function viewField({ just_decided: _just, previous: _previous, explanation, applied_at, ...prediction }: PredictionRow): FieldView {
  const { state, mode } = prediction
  const isSilent = state === null && mode === 'silent'
  return {
    ...prediction,
    value: state === null ? null : prediction.value,
    confidence: isSilent ? null : prediction.confidence,
    allowed: state === null ? [] : [...decisionsOn(state)],
    is_applied: applied_at !== null,
    why: isSilent ? { reason: 'this field is silent' } : explanation,
  }
}

function hush(triage: TriageRow, silent: ReadonlySet<string>): TriageRow {
  if (silent.size === 0) return triage
  const explanation = Object.fromEntries(Object.entries(triage.explanation as Record<string, unknown>).filter(([field]) => !silent.has(field)))
  return {
    ...triage,
    explanation,
    ...(silent.has('category') ? { suggested_category: null, category_confidence: null } : {}),
    ...(silent.has('priority') ? { suggested_priority: null, priority_confidence: null } : {}),
    ...(silent.has('tags') ? { suggested_tags: [] } : {}),
    ...(silent.has('assignee') ? { suggested_assignee_id: null } : {}),
  }
}
