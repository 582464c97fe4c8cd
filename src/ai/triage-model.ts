import { createHash } from 'node:crypto'
import { activeServices, labelFreshness, labelledTickets } from '#db/job-inputs.ts'
import type { Freshness, LabelledTicket } from '#db/job-inputs.ts'
import { TextClassifier } from './classifier.ts'
import type { Example } from './learning.ts'
import { Neighbours } from './neighbours.ts'
import { OrganizationCache } from './organization-cache.ts'
import type { Reader } from './reader.ts'

/** The newest labelled tickets that a model learns from: beyond these accuracy grows slowly and time does not. */
const MAX_TRAINING_ROWS = 2_000
/** A model is learned again when the labelled tickets have grown by this share, or by this many in a young organisation. */
const GROWTH_SHARE = 0.1
const GROWTH_ROWS = 5
/** Fewer chosen priorities than this say nothing about the next one. */
const MIN_PRIORITY_ROWS = 20

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
  neighbours: Neighbours<LabelledTicket>
  /** How like its nearest a ticket of this organisation is, all but the oddest; null where too few tell. */
  leastSimilarity: number | null
}

const cache = new OrganizationCache<TriageModel>()

/**
 * The organisation's model, learned again only when its services changed or its labelled tickets have grown enough.
 * Not bound to one job's signal: others wait for the same model.
 */
export async function triageModel(organizationId: string, reader: Reader): Promise<TriageModel> {
  const fresh = await reader.read((db) => labelFreshness(db, MAX_TRAINING_ROWS))
  return cache.get(
    organizationId,
    JSON.stringify(fresh),
    () => learnTriageModel(reader),
    (kept) => serves(JSON.parse(kept) as Freshness, fresh),
  )
}

/** Learns from what the database holds now. */
export async function learnTriageModel(reader: Reader): Promise<TriageModel> {
  const [tickets, services] = await reader.read(async (db) => [await labelledTickets(db, MAX_TRAINING_ROWS), await activeServices(db)])
  const seeds = services.map(({ name, description }): Example => ({ text: `${name}\n${description}`, label: name, seed: true }))
  const categories = [...seeds, ...tickets.map((ticket): Example => ({ text: textOf(ticket), label: ticket.service }))]
  const priorities = tickets.flatMap((ticket): Example[] => (ticket.priority ? [{ text: textOf(ticket), label: ticket.priority }] : []))
  const neighbours = await Neighbours.learn(tickets, textOf)
  return {
    id: `${KIND}@${fingerprint(tickets, services)}`,
    rows: tickets.length,
    category: services.length > 1 ? await TextClassifier.learn(categories) : null,
    priority: priorities.length >= MIN_PRIORITY_ROWS && differ(priorities) ? await TextClassifier.learn(priorities) : null,
    neighbours,
    leastSimilarity: leastSimilarity(tickets, neighbours),
  }
}

/** The text of a ticket as the models read it. */
export function textOf({ subject, description }: { subject: string; description: string }): string {
  return `${subject}\n${description}`
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

function serves(kept: Freshness, now: Freshness): boolean {
  return kept.key === now.key && Math.abs(now.rows - kept.rows) < Math.max(GROWTH_ROWS, kept.rows * GROWTH_SHARE)
}

function differ(examples: readonly Example[]): boolean {
  return examples.some(({ label }) => label !== examples[0]!.label)
}

/** The same rows with the same labels give the same id, in every process. */
function fingerprint(tickets: readonly LabelledTicket[], services: readonly unknown[]): string {
  const facts = tickets.map(({ id, subject, description, service, priority }) => [id, subject, description, service, priority])
  return createHash('sha256')
    .update(JSON.stringify([services, facts]))
    .digest('hex')
    .slice(0, 12)
}
