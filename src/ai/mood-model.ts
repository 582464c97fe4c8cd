import { activeModels, activeWeights } from '#db/ai-models.ts'
import { TextClassifier } from './classifier.ts'
import { corrected, correctionsOf, saidOf } from './corrections.ts'
import type { Said } from './corrections.ts'
import { decodeModel } from './model-file.ts'
import { moodOf } from './mood.ts'
import { OrganizationCache } from './organization-cache.ts'
import type { Reader } from './reader.ts'
import { SENTIMENT_MODEL, sentimentOf } from './sentiment.ts'
import type { Sentiment } from './sentiment.ts'

/** A mood as an organisation reads it: by which model, and what agents had said of like texts. */
export interface ReadMood extends Sentiment {
  model_id: string
  said: Said[]
}

const cache = new OrganizationCache<TextClassifier | null>()

/**
 * Reads how a text feels: by what the organisation has taught, by the lexicon until it has, and in both cases after what
 * agents said of texts that are like this one.
 */
export async function readMood(organizationId: string, reader: Reader, text: string, ticketId: string | null): Promise<ReadMood> {
  const active = (await reader.read(activeModels)).find(({ field }) => field === 'sentiment')
  const learned = active
    ? await cache.get(organizationId, active.model_id, async () => {
        const weights = await reader.read((db) => activeWeights(db, 'sentiment'))
        const data = weights && decodeModel(weights)
        return data && new TextClassifier(data)
      })
    : null
  const read = active && learned ? { ...moodOf(learned, text), model_id: active.model_id } : { ...sentimentOf(text), model_id: SENTIMENT_MODEL }
  const said = saidOf(await correctionsOf(organizationId, reader), text, 'sentiment', ticketId)
  return said.length === 0 ? { ...read, said } : { ...read, ...afterWhatWasSaid(read, said), said }
}

function afterWhatWasSaid({ shares }: Sentiment, said: readonly Said[]): Pick<Sentiment, 'label' | 'score' | 'confidence' | 'shares'> {
  const scores = corrected(new Map(Object.entries(shares)), said)
  const total = [...scores.values()].reduce((sum, score) => sum + score, 0) || 1
  const share = (label: keyof Sentiment['shares']): number => (scores.get(label) ?? 0) / total
  const after = { positive: share('positive'), neutral: share('neutral'), negative: share('negative') }
  const label = (['neutral', 'negative', 'positive'] as const).reduce((best, next) => (after[next] > after[best] ? next : best))
  return { label, score: after.positive - after.negative, confidence: after[label], shares: after }
}
