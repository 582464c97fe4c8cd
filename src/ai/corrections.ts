import { labelsKey, newestLabels } from '#db/ai-labels.ts'
import type { FieldValue, LabelField, LabelRow } from '#db/ai-labels.ts'
import { Neighbours } from './neighbours.ts'
import type { Neighbour } from './neighbours.ts'
import { OrganizationCache } from './organization-cache.ts'
import type { Reader } from './reader.ts'

/** The newest labels that are looked at for a like ticket; older ones are in the model by then. */
const MAX_LABELS = 1_000
const NEIGHBOURS = 5
/** A ticket less like the corrected one than this is another matter. */
const MIN_SIMILARITY = 0.3

/** What agents said of a ticket that is like the one at hand. */
export interface Said {
  ticket_id: string
  number: number
  value: FieldValue
  is_right: boolean
  similarity: number
}

/** What agents have said lately, found by the text that they said it of. */
export type Corrections = Neighbours<LabelRow>

const cache = new OrganizationCache<Corrections>()

/** The organisation's labels, ready to be searched; made again with each new one, so that a correction counts at once. */
export async function correctionsOf(organizationId: string, reader: Reader): Promise<Corrections> {
  const key = await reader.read(labelsKey)
  return cache.get(organizationId, key, async () => Neighbours.learn(await reader.read((db) => newestLabels(db, MAX_LABELS)), ({ text }) => text))
}

/** What agents said of this field of tickets like this one, the most similar first. */
export function saidOf(corrections: Corrections, text: string, field: LabelField, exceptTicket: string | null): Said[] {
  return corrections
    .nearest(text, NEIGHBOURS, (label) => label.field === field && label.ticket_id !== exceptTicket)
    .filter(({ similarity }) => similarity >= MIN_SIMILARITY)
    .map(({ item, similarity }: Neighbour<LabelRow>) => ({
      ticket_id: item.ticket_id,
      number: item.number,
      value: item.value,
      is_right: item.is_right,
      similarity,
    }))
}

/**
 * A model's scores after what agents said. The nearest correction weighs as much as it is like the ticket, the model the
 * rest: of the very same text agents decide alone, of a foreign one the model does. What was rejected loses its likeness.
 */
export function corrected(scores: ReadonlyMap<string, number>, said: readonly Said[]): Map<string, number> {
  const right = said.filter(({ is_right }) => is_right)
  const weight = Math.max(0, ...right.map(({ similarity }) => similarity))
  const total = right.reduce((sum, { similarity }) => sum + similarity, 0)
  const result = new Map([...scores].map(([value, score]) => [value, score * (1 - weight)]))
  for (const { value, similarity } of right) {
    for (const each of [value].flat()) result.set(each, (result.get(each) ?? 0) + (weight * similarity) / total)
  }
  for (const { value, is_right, similarity } of said) {
    if (!is_right) for (const each of [value].flat()) result.set(each, (result.get(each) ?? 0) * (1 - similarity))
  }
  return result
}
