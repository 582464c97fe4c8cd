import { labelsKey } from '#db/ai-labels.ts'
import { readOwnTags } from '#db/own-values.ts'
import { OrganizationCache } from './organization-cache.ts'
import type { Reader } from './reader.ts'

/** How old the list may be; what an agent has just said renews it at once. */
const MAX_AGE_MS = 60_000

const cache = new OrganizationCache<ReadonlySet<string>>()

/** The tags that the organisation's tickets have: no model can suggest another. */
export async function ownTags(organizationId: string, reader: Reader): Promise<ReadonlySet<string>> {
  const key = `${await reader.read(labelsKey)} ${Math.floor(Date.now() / MAX_AGE_MS)}`
  return cache.get(organizationId, key, async () => new Set(await reader.read(readOwnTags)))
}
