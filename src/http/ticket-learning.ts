import { insertLabel } from '#db/ai-labels.ts'
import type { FieldValue } from '#db/ai-labels.ts'
import { readOwnValues } from '#db/own-values.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { decidePrediction, expirePredictions, hasPredictions, livePredictions, scorePredictions } from '#db/predictions.ts'
import type { PredictionRow } from '#db/predictions.ts'
import type { TicketRow } from '#db/tickets.ts'
import { nextSuggestion } from '#machines/suggestion-step.ts'
import { metrics } from '#metrics.ts'

const COLUMN = { category: 'service_id', priority: 'priority', tags: 'tags', assignee: 'assigned_to' } as const
/** A group is not written to a ticket: what agents say of it, they say of the suggestion. */
type WrittenField = keyof typeof COLUMN
const WRITTEN_FIELDS = Object.keys(COLUMN) as WrittenField[]

/**
 * What the models learn from a change that somebody made: a field that was suggested and is now set is a decision on the
 * suggestion and a label for the next one. A solved ticket scores everything that was predicted of it.
 */
export async function learnFromChange(tx: DatabaseTransactionConnection, userId: string, before: TicketRow, after: TicketRow): Promise<void> {
  const changed = WRITTEN_FIELDS.filter((field) => JSON.stringify(before[COLUMN[field]]) !== JSON.stringify(after[COLUMN[field]]))
  const isOver = before.status !== after.status && ['resolved', 'closed', 'cancelled'].includes(after.status)
  if ((changed.length === 0 && !isOver) || !(await hasPredictions(tx))) return
  if (changed.length > 0) await learnFields(tx, userId, after, changed)
  if (!isOver) return
  const scored = after.status === 'cancelled' ? [] : await scorePredictions(tx, after.id)
  for (const { field, is_right, is_first } of scored) if (is_first && is_right !== null) metrics.aiScored.inc({ field, result: is_right ? 'right' : 'wrong' })
  if (after.status !== 'resolved') await expirePredictions(tx, after.id)
}

async function learnFields(tx: DatabaseTransactionConnection, userId: string, after: TicketRow, changed: readonly WrittenField[]): Promise<void> {
  const predictions = await livePredictions(tx, after.id)
  for (const field of changed) {
    const prediction = predictions.find((each) => each.field === field)
    const value = await valueOf(tx, after, field)
    // What was decided in this very transaction has its label already.
    if (!prediction || prediction.just_decided || value === null) continue
    if (prediction.state === 'offered') await decideByChange(tx, userId, prediction, value)
    const label = { ticket_id: after.id, field, value, is_right: true, source: 'change' as const, user_id: userId, prediction_id: prediction.id }
    await insertLabel(tx, label)
  }
  const escalation = predictions.find((each) => each.field === 'escalation' && each.state === 'offered')
  if (escalation && changed.includes('priority')) await decideByChange(tx, userId, escalation, after.priority)
}

async function decideByChange(
  tx: DatabaseTransactionConnection,
  userId: string,
  { id, field, value, state }: PredictionRow,
  chosen: FieldValue,
): Promise<void> {
  const event = isSame(value, chosen) ? 'ACCEPT' : 'EDIT'
  const next = state && nextSuggestion(state, event)
  if (!next) return
  await decidePrediction(tx, id, { state: next, decided_by: userId, via: 'ticket', final_value: chosen })
  metrics.aiDecisions.inc({ field, decision: next })
}

async function valueOf(tx: DatabaseTransactionConnection, ticket: TicketRow, field: WrittenField): Promise<FieldValue | null> {
  if (field !== 'category') return ticket[COLUMN[field]]
  const { services } = await readOwnValues(tx)
  return services.find(({ id }) => id === ticket.service_id)?.name ?? null
}

/** Whether two values are one; the order of tags says nothing. */
export function isSame(a: FieldValue | null, b: FieldValue | null): boolean {
  const [left, right] = [new Set([a].flat()), new Set([b].flat())]
  return left.symmetricDifference(right).size === 0
}
