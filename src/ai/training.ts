import { createHash } from 'node:crypto'
import { activeModels, activeWeights } from '#db/ai-models.ts'
import type { ActiveModel, ModelField, NewModel } from '#db/ai-models.ts'
import { moodLabels } from '#db/ai-labels.ts'
import type { MoodLabel } from '#db/ai-labels.ts'
import { activeServices, labelledTickets } from '#db/job-inputs.ts'
import type { LabelledTicket } from '#db/job-inputs.ts'
import { TextClassifier } from './classifier.ts'
import type { Example, Measured } from './learning.ts'
import { decodeModel, encodeModel } from './model-file.ts'
import type { Reader } from './reader.ts'
import { moodOf } from './mood.ts'
import { sentimentOf } from './sentiment.ts'
import type { Tagged } from './tag-learning.ts'
import { examplesOf, MAX_TRAINING_ROWS, moodExamples, textOf } from './training-examples.ts'

const KIND = 'text-1'
/** The model that answers is judged by tickets that came after its training, once there are so many; before, by its own held-out rows. */
const MIN_NEW_ROWS = 30

/** A model that was learned, ready to be kept, with how it did. */
export type Trained = Omit<NewModel, 'weights'> & { weights: Buffer }

/** How often a model is right, and of what that is known. */
interface Known {
  accuracy: number
  of: string
}

/** Learns each field from the organisation's tickets, and moods from what agents said of them; a model that is worse than the one that answers is kept and does not answer. */
export async function trainClassifiers(reader: Reader, signal?: AbortSignal): Promise<Trained[]> {
  const [tickets, services, moods, active] = await reader.read(
    async (db) =>
      [await labelledTickets(db, MAX_TRAINING_ROWS), await activeServices(db), await moodLabels(db, MAX_TRAINING_ROWS), await activeModels(db)] as const,
  )
  const examples = examplesOf(tickets, services)
  const trained: Trained[] = []
  for (const field of ['category', 'priority', 'tags', 'group', 'assignee'] as const) {
    const rows = examples[field]
    if (!rows) continue
    const before = active.find((model) => model.field === field)
    const known = before && (await accuracySince(reader, before, truthsOf(field, tickets)))
    trained.push(await train(field, rows, known, signal))
  }
  const moodRows = moodExamples(moods)
  if (moodRows) trained.push(await train('sentiment', moodRows, await moodAccuracy(reader, active, moods), signal))
  return trained.filter(({ labels }) => labels > 0)
}

/** Learns one field's model, and says whether it should answer: unless it is worse than `known` by more than chance explains. */
export async function train(
  field: ModelField,
  examples: readonly Example[] | readonly Tagged[],
  known: Known | null | undefined,
  signal?: AbortSignal,
): Promise<Trained> {
  const { data } = await (areTagged(examples) ? TextClassifier.learnTags(examples, signal) : TextClassifier.learn(examples, signal, field === 'category'))
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

function verdictOn(measured: Measured | null, known: Known | null | undefined): { activate: boolean; verdict: string } {
  if (!known) return { activate: true, verdict: 'nothing answered before, or nothing is known of how well it did' }
  if (!measured) return { activate: false, verdict: 'too few rows to measure it against the one that answers' }
  const chance = Math.sqrt((known.accuracy * (1 - known.accuracy)) / measured.rows)
  const compared = `right in ${percent(measured.accuracy)} of ${measured.rows} held-out rows, the one before in ${percent(known.accuracy)} ${known.of}`
  return measured.accuracy >= known.accuracy - chance ? { activate: true, verdict: compared } : { activate: false, verdict: `worse: ${compared}` }
}

/** A text that is known by now, with what was right of it. */
interface Truth {
  text: string
  right: readonly string[]
  at: Date
}

function truthsOf(field: Exclude<ModelField, 'sentiment'>, tickets: readonly LabelledTicket[]): Truth[] {
  return tickets.flatMap((ticket) => {
    const right: readonly (string | null)[] = {
      category: [ticket.service],
      priority: [ticket.priority],
      tags: ticket.tags,
      group: [ticket.group],
      assignee: [ticket.assigned_to],
    }[field]
    const known = right.filter((value): value is string => value !== null)
    return known.length > 0 ? [{ text: textOf(ticket), right: known, at: ticket.created_at }] : []
  })
}

/** How often the model that answers is right on what came after it learned; where that is little, what its own training measured. */
async function accuracySince(
  reader: Reader,
  before: ActiveModel,
  truths: readonly Truth[],
  bestOf = (classifier: TextClassifier, text: string): string | undefined => classifier.rank(text)[0]?.label,
): Promise<Known | null> {
  const measured = before.accuracy === null ? null : { accuracy: before.accuracy, of: 'of its own' }
  const since = truths.filter(({ at }) => at > before.trained_at)
  if (since.length < MIN_NEW_ROWS) return measured
  const weights = await reader.read((db) => activeWeights(db, before.field))
  const data = weights && decodeModel(weights)
  if (!data) return measured
  const classifier = new TextClassifier(data)
  const right = since.filter((truth) => truth.right.includes(bestOf(classifier, truth.text) ?? '')).length
  return { accuracy: right / since.length, of: `of ${since.length} that came since` }
}

/** What a model of moods has to come up to: the one that answers, or else the lexicon on the very labels. */
async function moodAccuracy(reader: Reader, active: readonly ActiveModel[], moods: readonly MoodLabel[]): Promise<Known | null> {
  const before = active.find(({ field }) => field === 'sentiment')
  const truths = moods.map(({ text, mood, at }): Truth => ({ text, right: [mood], at }))
  if (before) return accuracySince(reader, before, truths, (classifier, text) => moodOf(classifier, text).label)
  const right = truths.filter((truth) => truth.right.includes(sentimentOf(truth.text).label)).length
  return { accuracy: right / truths.length, of: `of ${truths.length} by the lexicon` }
}

function areTagged(examples: readonly Example[] | readonly Tagged[]): examples is readonly Tagged[] {
  return examples.some((example) => 'labels' in example)
}

/** The same rows with the same labels give the same id, in every process. */
function fingerprint(examples: readonly Example[] | readonly Tagged[]): string {
  return createHash('sha256')
    .update(JSON.stringify(examples.map((example) => [example.text, 'labels' in example ? example.labels : example.label])))
    .digest('hex')
    .slice(0, 12)
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
