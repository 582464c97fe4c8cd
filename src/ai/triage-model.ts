import { createHash } from 'node:crypto'
import { activeModels, activeWeights } from '#db/ai-models.ts'
import type { ActiveModel, ModelField } from '#db/ai-models.ts'
import { activeServices, labelFreshness, labelledTickets, labelsSinceTraining } from '#db/job-inputs.ts'
import type { Freshness, LabelledTicket } from '#db/job-inputs.ts'
import { TextClassifier } from './classifier.ts'
import { decodeModel } from './model-file.ts'
import { Neighbours } from './neighbours.ts'
import { OrganizationCache } from './organization-cache.ts'
import type { Reader } from './reader.ts'
import { examplesOf, textOf } from './training-examples.ts'

export { textOf } from './training-examples.ts'

/** The newest labelled tickets that are kept at hand for likeness, and that a model learns from where none is stored yet. */
const MAX_ROWS_AT_HAND = 2_000
/** A model is learned again when the labelled tickets have grown by this share, or by this many in a young organisation. */
const GROWTH_SHARE = 0.1
const GROWTH_ROWS = 5
/** A training is due when so many labels have come since the last one: this many, or this share of what it learned from. */
const [TRAINING_ROWS, TRAINING_SHARE] = [50, 0.2]
/** So many labelled tickets are counted to see whether they have become more. */
const MAX_COUNTED = 10_000

/** From this many tickets on their likeness is measured, on a sample of them. */
const MIN_SIMILAR_ROWS = 30
const SIMILAR_SAMPLE = 100
const ODD_SHARE = 0.05

const KIND = 'triage-linear-1'

/** What one organisation's tickets have taught. A field that cannot be told apart yet has no classifier. */
export interface TriageModel {
  id: string
  rows: number
  category: TextClassifier | null
  priority: TextClassifier | null
  /** These are learned by TRAIN_MODEL alone; before, the nearest tickets and the services speak for them. */
  tags: TextClassifier | null
  group: TextClassifier | null
  assignee: TextClassifier | null
  neighbours: Neighbours<LabelledTicket>
  /** How like its nearest a ticket of this organisation is, all but the oddest; null where too few tell. */
  leastSimilarity: number | null
  /** Whether there is anything that TRAIN_MODEL could learn. */
  isTeachable: boolean
}

const cache = new OrganizationCache<TriageModel>()

/**
 * The organisation's model, learned again only when its services changed or its labelled tickets have grown enough.
 * Not bound to one job's signal: others wait for the same model.
 */
export async function triageModel(organizationId: string, reader: Reader): Promise<TriageModel> {
  const [labels, active] = await reader.read(async (db) => [await labelFreshness(db, MAX_COUNTED), await activeModels(db)] as const)
  const fresh = { ...labels, active: active.map(({ field, version }) => `${field} ${version}`).join(' ') }
  return cache.get(
    organizationId,
    JSON.stringify(fresh),
    () => loadTriageModel(reader, active),
    (kept) => serves(JSON.parse(kept) as typeof fresh, fresh),
  )
}

/** Whether so many labels have come that TRAIN_MODEL should learn from them. */
export async function isTrainingDue(model: TriageModel, reader: Reader): Promise<boolean> {
  if (!model.isTeachable) return false
  const [active, since] = await reader.read(async (db) => [await activeModels(db), await labelsSinceTraining(db, MAX_COUNTED)] as const)
  const learned = Math.max(0, ...active.map(({ trained_rows }) => trained_rows))
  return since >= Math.max(TRAINING_ROWS, learned * TRAINING_SHARE)
}

/** The stored models where they know all of the organisation's services; where not, what its newest tickets teach now. */
async function loadTriageModel(reader: Reader, active: readonly ActiveModel[]): Promise<TriageModel> {
  const [tickets, services] = await reader.read(async (db) => [await labelledTickets(db, MAX_ROWS_AT_HAND), await activeServices(db)])
  const stored = await storedClassifiers(reader, active)
  const knowsAll = services.every(({ name }) => stored.category?.labels.includes(name))
  const examples = examplesOf(tickets, services)
  const neighbours = await Neighbours.learn(tickets, textOf)
  return {
    id: `${KIND}@${fingerprint(tickets, services, active)}`,
    rows: tickets.length,
    category: examples.category && (knowsAll && stored.category ? stored.category : await TextClassifier.learn(examples.category)),
    priority: stored.priority ?? (examples.priority && (await TextClassifier.learn(examples.priority, undefined, false))),
    tags: stored.tags,
    group: examples.group && stored.group,
    assignee: stored.assignee,
    neighbours,
    leastSimilarity: leastSimilarity(tickets, neighbours),
    isTeachable: Object.values(examples).some((rows) => rows !== null),
  }
}

type StoredField = Exclude<ModelField, 'sentiment'>

async function storedClassifiers(reader: Reader, active: readonly ActiveModel[]): Promise<Record<StoredField, TextClassifier | null>> {
  const load = async (field: StoredField): Promise<TextClassifier | null> => {
    if (!active.some((model) => model.field === field)) return null
    const weights = await reader.read((db) => activeWeights(db, field))
    const data = weights && decodeModel(weights)
    return data && new TextClassifier(data)
  }
  return {
    category: await load('category'),
    priority: await load('priority'),
    tags: await load('tags'),
    group: await load('group'),
    assignee: await load('assignee'),
  }
}

/** Below this a ticket is unlike all others: one in twenty of the organisation's own is, and three of four of another trade's. */
function leastSimilarity(tickets: readonly LabelledTicket[], neighbours: Neighbours<LabelledTicket>): number | null {
  if (tickets.length < MIN_SIMILAR_ROWS) return null
  const step = Math.max(1, Math.floor(tickets.length / SIMILAR_SAMPLE))
  const nearest = tickets
    .filter((_, index) => index % step === 0)
    .map((ticket) => neighbours.nearest(textOf(ticket), 1, ({ id }) => id !== ticket.id)[0]?.similarity ?? 0)
    .toSorted((a, b) => a - b)
  return nearest[Math.floor(nearest.length * ODD_SHARE)]!
}

function serves(kept: Freshness & { active: string }, now: Freshness & { active: string }): boolean {
  return kept.key === now.key && kept.active === now.active && Math.abs(now.rows - kept.rows) < Math.max(GROWTH_ROWS, kept.rows * GROWTH_SHARE)
}

/** The same rows with the same labels give the same id, in every process. */
function fingerprint(tickets: readonly LabelledTicket[], services: readonly unknown[], active: readonly ActiveModel[]): string {
  const facts = tickets.map(({ created_at: _at, number: _number, ...facts }) => Object.values(facts))
  return createHash('sha256')
    .update(JSON.stringify([services, facts, active.map(({ field, model_id }) => [field, model_id])]))
    .digest('hex')
    .slice(0, 12)
}
