import { createHash } from 'node:crypto'
import { activeModels, activeWeights } from '#db/ai-models.ts'
import type { ActiveModel, NewModel } from '#db/ai-models.ts'
import { activeServices, labelledTickets } from '#db/job-inputs.ts'
import type { LabelledTicket } from '#db/job-inputs.ts'
import { TextClassifier } from './classifier.ts'
import type { Example, Measured } from './learning.ts'
import { decodeModel, encodeModel } from './model-file.ts'
import type { Reader } from './reader.ts'
import { examplesOf, MAX_TRAINING_ROWS, textOf } from './training-examples.ts'

const KIND = 'text-1'
/** The model that answers is judged by tickets that came after its training, once there are so many; before, by its own held-out rows. */
const MIN_NEW_ROWS = 30

/** A model that was learned, ready to be kept, with how it did. */
export type Trained = Omit<NewModel, 'weights'> & { weights: Buffer }

/** Learns each field from the organisation's tickets; a model that is worse than the one that answers is kept and does not answer. */
export async function trainClassifiers(reader: Reader, signal?: AbortSignal): Promise<Trained[]> {
  const [tickets, services, active] = await reader.read(
    async (db) => [await labelledTickets(db, MAX_TRAINING_ROWS), await activeServices(db), await activeModels(db)] as const,
  )
  const examples = examplesOf(tickets, services)
  const trained: Trained[] = []
  for (const field of ['category', 'priority'] as const) {
    const rows = examples[field]
    if (!rows) continue
    const before = active.find((model) => model.field === field)
    const known = before && (await accuracySince(reader, before, tickets))
    trained.push(await train(field, rows, known, signal))
  }
  return trained
}

/** Learns one field's model, and says whether it should answer: unless it is worse than `known` by more than chance explains. */
export async function train(
  field: NewModel['field'],
  examples: readonly Example[],
  known: { accuracy: number; of: string } | null | undefined,
  signal?: AbortSignal,
): Promise<Trained> {
  const { data } = await TextClassifier.learn(examples, signal)
  const { measured, labels } = data
  return {
    field,
    model_id: `${KIND}-${field}@${fingerprint(examples)}`,
    trained_rows: examples.filter(({ seed }) => !seed).length,
    labels: labels.length,
    measured,
    weights: encodeModel(data),
    ...verdictOn(measured, known),
  }
}

function verdictOn(measured: Measured | null, known: { accuracy: number; of: string } | null | undefined): { activate: boolean; verdict: string } {
  if (!known) return { activate: true, verdict: 'nothing answered before, or nothing is known of how well it did' }
  if (!measured) return { activate: false, verdict: 'too few rows to measure it against the one that answers' }
  const chance = Math.sqrt((known.accuracy * (1 - known.accuracy)) / measured.rows)
  const compared = `right in ${percent(measured.accuracy)} of ${measured.rows} held-out rows, the one before in ${percent(known.accuracy)} ${known.of}`
  return measured.accuracy >= known.accuracy - chance ? { activate: true, verdict: compared } : { activate: false, verdict: `worse: ${compared}` }
}

/** How often the model that answers is right on what came after it learned; where that is little, what its own training measured. */
async function accuracySince(reader: Reader, before: ActiveModel, tickets: readonly LabelledTicket[]): Promise<{ accuracy: number; of: string } | null> {
  const measured = before.accuracy === null ? null : { accuracy: before.accuracy, of: 'of its own' }
  const since = tickets.filter((ticket) => ticket.created_at > before.trained_at)
  if (since.length < MIN_NEW_ROWS || (before.field !== 'category' && before.field !== 'priority')) return measured
  const field = before.field
  const weights = await reader.read((db) => activeWeights(db, field))
  const data = weights && decodeModel(weights)
  if (!data) return measured
  const classifier = new TextClassifier(data)
  const judged = since.flatMap((ticket) => {
    const truth = field === 'category' ? ticket.service : ticket.priority
    return truth === null ? [] : [classifier.rank(textOf(ticket))[0]?.label === truth]
  })
  return judged.length < MIN_NEW_ROWS ? measured : { accuracy: judged.filter(Boolean).length / judged.length, of: `of ${judged.length} that came since` }
}

/** The same rows with the same labels give the same id, in every process. */
function fingerprint(examples: readonly Example[]): string {
  return createHash('sha256')
    .update(JSON.stringify(examples.map(({ text, label }) => [text, label])))
    .digest('hex')
    .slice(0, 12)
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
