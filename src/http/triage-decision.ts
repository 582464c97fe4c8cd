import { insertLabel } from '#db/ai-labels.ts'
import type { FieldValue, LabelField } from '#db/ai-labels.ts'
import { insertAudit } from '#db/audit.ts'
import type { Priority } from '#db/job-inputs.ts'
import { readOwnValues } from '#db/own-values.ts'
import type { OwnValues } from '#db/own-values.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { decidePrediction, lockPredictions } from '#db/predictions.ts'
import type { PredictionRow } from '#db/predictions.ts'
import type { TicketFields, TicketRow } from '#db/tickets.ts'
import { correctSentiment } from '#db/triage.ts'
import { decisionsOn, nextSuggestion } from '#machines/suggestion-step.ts'
import { metrics } from '#metrics.ts'
import { assignInGroup } from './group-assignment.ts'
import { refusal } from './refusal.ts'
import { assignTicket, WORKED_ON } from './ticket-assignment.ts'
import { editTicket } from './ticket-change.ts'
import type { Author, Changed } from './ticket-change.ts'
import { isSame } from './ticket-learning.ts'

export const DECIDABLE = ['category', 'priority', 'tags', 'group', 'assignee', 'sentiment', 'escalation'] as const
export type DecidableField = (typeof DECIDABLE)[number]

/** Somebody, not the service. */
type Person = Author & { user_id: string }

/** What an agent decides on a ticket's triage. */
export interface Wanted {
  event: 'ACCEPT' | 'REJECT'
  /** Null: every field that is offered and can be decided on now; a group gives the ticket to somebody, and a mood is in no ticket, so they are named. */
  fields: readonly DecidableField[] | null
  /** What the agent puts in the place of what was suggested. */
  values: { [Field in LabelField]?: FieldValue | undefined }
}

interface Decided {
  prediction: PredictionRow
  decision: string
  /** What the ticket gets; undefined leaves it as it is. */
  value: FieldValue | null | undefined
}

/**
 * Has an agent's decision on each field: the prediction by its machine, a label for the models, the ticket itself, and the
 * audit, all or nothing in the caller's transaction.
 *
 * @throws a refusal with 409 that names what is allowed, with 422 where the organisation has no such value
 */
export async function decideTriage(tx: DatabaseTransactionConnection, author: Person, ticket: TicketRow, wanted: Wanted): Promise<Changed> {
  const predictions = await lockPredictions(tx, ticket.id)
  const own = await readOwnValues(tx)
  const decided: Decided[] = []
  for (const field of fieldsOf(ticket, predictions, wanted)) {
    const prediction = predictions.find((each) => each.field === field)
    decided.push(await decideField(tx, author, ticket, own, { field, prediction, wanted }))
  }
  if (decided.length === 0) throw refuse('Nothing is offered for this ticket that could be decided on.', null)
  await insertAudit(tx, {
    organization_id: author.organization_id,
    actor_id: author.user_id,
    action: wanted.event === 'ACCEPT' ? 'ticket.triage_accept' : 'ticket.triage_reject',
    entity_type: 'ticket',
    entity_id: ticket.id,
    details: Object.fromEntries(decided.map(({ prediction, decision, value }) => [prediction.field, { suggested: prediction.value, decision, value }])),
    request_id: author.request_id,
  })
  return writeToTicket(tx, author, ticket, own, decided)
}

function fieldsOf(ticket: TicketRow, predictions: readonly PredictionRow[], { fields, values }: Wanted): DecidableField[] {
  if (fields !== null || Object.keys(values).length > 0) return [...new Set([...(fields ?? []), ...(Object.keys(values) as DecidableField[])])]
  return DECIDABLE.filter(
    (field) =>
      field !== 'group' &&
      field !== 'sentiment' &&
      predictions.some((each) => each.field === field && each.state === 'offered') &&
      (field !== 'assignee' || WORKED_ON.includes(ticket.status)),
  )
}

async function decideField(
  tx: DatabaseTransactionConnection,
  author: Person,
  ticket: TicketRow,
  own: OwnValues,
  { field, prediction, wanted }: { field: DecidableField; prediction: PredictionRow | undefined; wanted: Wanted },
): Promise<Decided> {
  if (!prediction || prediction.state === null) throw refuse(`Nothing is offered for ${field}.`, null)
  const put = field === 'escalation' ? undefined : wanted.values[field]
  if (put !== undefined && field === 'category') requireNamed(own.services, put, 'values.category', 'active service')
  if (put !== undefined && field === 'group') requireNamed(own.groups, put, 'values.group', 'group')
  const isEdit = put !== undefined && !isSame(put, prediction.value)
  const event = wanted.event === 'REJECT' ? 'REJECT' : isEdit ? 'EDIT' : 'ACCEPT'
  const state = nextSuggestion(prediction.state, event)
  if (!state) throw refuse(`The suggestion for ${field} is ${prediction.state}.`, prediction.state)
  const value = put ?? prediction.value
  await decidePrediction(tx, prediction.id, { state, decided_by: author.user_id, via: 'suggestion', final_value: event === 'REJECT' ? null : value })
  metrics.aiDecisions.inc({ field, decision: state })
  if (field === 'sentiment' && event === 'EDIT') await correctSentiment(tx, ticket.id, value as string)
  if (field !== 'escalation' && value !== null) {
    const source = event === 'REJECT' ? 'reject' : event === 'EDIT' ? 'edit' : 'accept'
    const label = { ticket_id: ticket.id, field, value, is_right: event !== 'REJECT', source, user_id: author.user_id, prediction_id: prediction.id } as const
    await insertLabel(tx, label)
  }
  return { prediction, decision: state, value: event === 'REJECT' ? takenBack(ticket, own, prediction) : field === 'escalation' ? undefined : value }
}

/** What a rejected field goes back to: what it was, where the machine wrote it and nobody has changed it since. */
function takenBack(ticket: TicketRow, own: OwnValues, { field, value, previous, applied_at }: PredictionRow): FieldValue | null | undefined {
  if (applied_at === null) return undefined
  const now = {
    category: own.services.find(({ id }) => id === ticket.service_id)?.name ?? null,
    priority: ticket.priority,
    escalation: ticket.priority,
    tags: [...ticket.tags],
    assignee: ticket.assigned_to,
    group: null,
    sentiment: null,
    smart_reply: null,
  }[field]
  return isSame(now, value) ? (previous as FieldValue | null) : undefined
}

/** The words of the fields become the ticket's columns. */
async function writeToTicket(
  tx: DatabaseTransactionConnection,
  author: Person,
  ticket: TicketRow,
  own: OwnValues,
  decided: readonly Decided[],
): Promise<Changed> {
  const fields: Partial<TicketFields> = {}
  let assignee: string | null | undefined
  for (const { prediction, value } of decided) {
    if (value === undefined) continue
    if (prediction.field === 'category') fields.service_id = own.services.find(({ name }) => name === value)?.id ?? null
    if (prediction.field === 'priority' || prediction.field === 'escalation') fields.priority = value as Priority
    if (prediction.field === 'tags') fields.tags = value as string[]
    if (prediction.field === 'assignee') assignee = value as string | null
  }
  const edited = await editTicket(tx, author, ticket, fields)
  const group = decided.find(({ prediction, decision }) => prediction.field === 'group' && decision !== 'rejected')
  if (group && assignee === undefined) {
    const given = await assignInGroup(tx, author, edited.ticket, own.groups.find(({ name }) => name === group.value)?.id ?? '')
    return { ticket: given.ticket, queues: [...edited.queues, ...given.queues] }
  }
  if (assignee === undefined) return edited
  const assigned = await assignTicket(tx, author, edited.ticket, assignee)
  return { ticket: assigned.ticket, queues: [...edited.queues, ...assigned.queues] }
}

/** An agent may use a new tag, as everywhere; services, groups and people are the organisation's. Who is staff is asked on assigning. */
function requireNamed(known: readonly { name: string }[], value: FieldValue, path: string, what: string): void {
  if (known.some(({ name }) => name === value)) return
  throw refusal(422, `The organisation has no such ${what}.`, { errors: [{ location: 'body', path, message: `is not the name of a ${what}` }] })
}

function refuse(detail: string, state: PredictionRow['state']): Error {
  const allowed = state === null ? [] : decisionsOn(state)
  return refusal(409, detail, { type: 'urn:atum-desk:problem:decision-refused', members: { current_state: state, allowed } })
}
