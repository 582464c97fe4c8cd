import { activeModels, activeWeights } from '#db/ai-models.ts'
import { TextClassifier } from './classifier.ts'
import { decodeModel } from './model-file.ts'
import { moodOf } from './mood.ts'
import { OrganizationCache } from './organization-cache.ts'
import type { Reader } from './reader.ts'
import { SENTIMENT_MODEL, sentimentOf } from './sentiment.ts'
import type { Sentiment } from './sentiment.ts'

const cache = new OrganizationCache<TextClassifier | null>()

/** Reads how a text feels: by what the organisation has taught, and by the lexicon until it has. */
export async function readMood(organizationId: string, reader: Reader, text: string): Promise<Sentiment & { model_id: string }> {
  const active = (await reader.read(activeModels)).find(({ field }) => field === 'sentiment')
  const learned = active
    ? await cache.get(organizationId, active.model_id, async () => {
        const weights = await reader.read((db) => activeWeights(db, 'sentiment'))
        const data = weights && decodeModel(weights)
        return data && new TextClassifier(data)
      })
    : null
  return active && learned ? { ...moodOf(learned, text), model_id: active.model_id } : { ...sentimentOf(text), model_id: SENTIMENT_MODEL }
}
