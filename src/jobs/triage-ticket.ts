import { correctionsOf } from '#ai/corrections.ts'
import { fieldFindings } from '#ai/field-findings.ts'
import type { FieldFinding } from '#ai/field-findings.ts'
import { ordersIn, withoutOrders } from '#ai/instructions.ts'
import { ownTags } from '#ai/own-tags.ts'
import { triage } from '#ai/triage.ts'
import { isTrainingDue, textOf, triageModel } from '#ai/triage-model.ts'
import type { FieldValue, TriageField } from '#db/ai-labels.ts'
import type { Priority } from '#db/job-inputs.ts'
import { readOwnValues } from '#db/own-values.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { notePredictionApplied, recordPrediction } from '#db/predictions.ts'
import { readSettings } from '#db/settings.ts'
import { applyTriage, holdTicket, noteOrders, upsertTriage } from '#db/triage.ts'
import type { Chosen, FieldsBefore, TriageFinding } from '#db/triage.ts'
import { metrics } from '#metrics.ts'
import { newJob } from './job-type.ts'
import type { JobType } from './job-type.ts'
import { organizationOf, TICKET_BACKOFF, ticketOf, ticketPayload } from './ticket-job.ts'
import type { TicketPayload } from './ticket-job.ts'
import { trainModel } from './train-model.ts'

/** One training of an organisation waits or runs at a time. */
const TRAINING = 'labels'

/** The fields that stand in the ticket. Of a group that may be applied it is noted: to whom of it the ticket goes, its turn or load decides when an agent accepts. */
const WRITTEN_FIELDS = ['category', 'priority', 'tags', 'assignee'] as const

/** Suggests category, priority, tags, group and assignee from what the organisation's own tickets and agents have taught. */
export const triageTicket: JobType<TicketPayload> = {
  name: 'TRIAGE_TICKET',
  queue: 'ai',
  payload: ticketPayload,
  max_attempts: 5,
  timeout_ms: 120_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const ticket = await ticketOf(job)
    const [settings, own] = await job.read(async (db) => [await readSettings(db), await readOwnValues(db)] as const)
    if (!settings.ai_triage_enabled) return { kind: 'succeed', result: { skipped: 'the organisation has turned triage off' } }
    const organizationId = organizationOf(job)
    const model = await triageModel(organizationId, job)
    const corrections = await correctionsOf(organizationId, job)
    const tags = await ownTags(organizationId, job)
    job.signal.throwIfAborted()
    const orders = ordersIn(textOf(ticket))
    const request = { ...ticket, subject: withoutOrders(ticket.subject), description: withoutOrders(ticket.description) }
    const found = triage(model, request)
    const fields = fieldFindings(found, { text: textOf(request), corrections, own, tags, settings }).map((field): FieldFinding => {
      // What is written to the ticket must not be decided by a text that gives orders: a person looks at it first.
      return orders.length > 0 && field.mode === 'apply' ? { ...field, mode: 'suggest' } : field
    })
    const trainingDue = await isTrainingDue(model, job)
    const row = summary(found, fields, orders)
    return {
      kind: 'succeed',
      result: { category: row.category, priority: row.priority, tags: row.tags, confidence: row.confidence, model_id: row.model_id, orders: orders.length },
      writes: async (tx) => {
        const chosen = await holdTicket(tx, ticket.id)
        await upsertTriage(tx, row)
        await record(tx, found, chosen ? fields.map((field) => unlessChosen(field, chosen)) : fields)
        if (trainingDue) await enqueueJobs(tx, [newJob(trainModel, organizationId, {}, { unique_key: TRAINING })])
        if (orders.length > 0) await noteOrders(tx, ticket.id, orders)
        for (const { field, confidence } of fields) if (confidence !== null) metrics.aiConfidence.observe({ field }, confidence)
      },
    }
  },
}

/** The ticket's one row of triage: the fields that are sure enough. */
function summary(found: TriageFinding, fields: readonly FieldFinding[], orders: readonly unknown[]): TriageFinding {
  const of = (name: TriageField) => fields.find(({ field }) => field === name)!
  const sure = (name: TriageField): FieldValue | null => (of(name).is_sure ? of(name).value : null)
  const confidences = [of('category').confidence, of('priority').confidence].filter((confidence) => confidence !== null)
  return {
    ...found,
    category: sure('category') as string | null,
    category_confidence: of('category').confidence,
    priority: sure('priority') as Priority | null,
    priority_confidence: of('priority').confidence,
    tags: (sure('tags') ?? []) as string[],
    assignee_id: sure('assignee') as string | null,
    confidence: confidences.length > 0 ? Math.min(...confidences) : null,
    explanation: { ...found.explanation, ...(orders.length > 0 ? { orders } : {}) },
  }
}

/** What the ticket has already is recorded, and offered to nobody. A priority may be what a form defaulted to: it is worth a word. */
function unlessChosen(finding: FieldFinding, chosen: Chosen): FieldFinding {
  const { field, value } = finding
  if (field === 'priority' || !finding.is_sure || value === null) return finding
  const has = [chosen[field]].flat()
  if (![value].flat().every((each) => has.includes(each))) return finding
  return { ...finding, is_sure: false, explanation: { ...finding.explanation, reason: 'the ticket has it already' } }
}

/** Records each field's prediction, and writes to the ticket those that may be. */
async function record(tx: DatabaseTransactionConnection, found: TriageFinding, fields: readonly FieldFinding[]): Promise<void> {
  const { ticket_id, model_id, inputs_hash } = found
  const ids = new Map<FieldFinding['field'], string>()
  for (const { is_sure, ...finding } of fields) {
    const id = await recordPrediction(tx, { ...finding, ticket_id, model_id, inputs_hash, is_offered: is_sure && finding.mode !== 'silent' })
    if (id !== null) ids.set(finding.field, id)
  }
  const applied = (name: TriageField): FieldValue | null => {
    const finding = fields.find(({ field }) => field === name)
    return ids.has(name) && finding?.is_sure && finding.mode === 'apply' ? finding.value : null
  }
  const wanted = {
    category: applied('category') as string | null,
    priority: applied('priority') as Priority | null,
    tags: (applied('tags') ?? []) as string[],
    assignee: applied('assignee') as string | null,
  }
  const group = ids.get('group')
  if (group && applied('group') !== null) await notePredictionApplied(tx, group, null)
  if (!wanted.category && !wanted.priority && wanted.tags.length === 0 && !wanted.assignee) return
  const before = await applyTriage(tx, ticket_id, wanted)
  for (const field of WRITTEN_FIELDS) {
    const id = ids.get(field)
    if (before && id && wrote(field, before, applied(field))) await notePredictionApplied(tx, id, before[field])
  }
}

/** Whether a field was written: it was not where somebody had chosen a value already. */
function wrote(field: (typeof WRITTEN_FIELDS)[number], before: FieldsBefore, wanted: FieldValue | null): boolean {
  if (wanted === null) return false
  if (field === 'tags') return before.tags.length === 0
  return field === 'priority' ? before.priority !== wanted : before[field] === null
}
