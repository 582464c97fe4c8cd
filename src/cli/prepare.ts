import { hasEndpoint, readEmbeddingsConfig } from '#ai/embeddings-config.ts'
import { hashPassword } from '#http/passwords.ts'
import { prepareEmbeddings } from '#db/embeddings.ts'
import { allowServiceLogins, checkOwner } from '#db/logins.ts'
import { migrate } from '#db/migrations.ts'
import type { Database } from '#db/pool.ts'
import { seedDemo } from '#demo/seed.ts'
import { writeDemo } from './data-files.ts'
import type { DemoSignIns } from './data-files.ts'

/** Brings the database to this version and lets the service's roles log in. */
export async function prepareDatabase(ownerUrl: string, say: (line: string) => void): Promise<void> {
  await checkOwner(ownerUrl)
  const applied = await migrate(ownerUrl, 'up')
  if (applied.length > 0) say(`Migrated: ${applied.join(', ')}.`)
  await makeRoomForVectors(ownerUrl)
  await allowServiceLogins(ownerUrl)
}

/** Where an embedding model is set, vectors get its length; what that made, or null. */
export async function makeRoomForVectors(ownerUrl: string): Promise<string | null> {
  const config = readEmbeddingsConfig()
  const outcome = await prepareEmbeddings(ownerUrl, hasEndpoint(config) ? config.EMBEDDINGS_DIMENSIONS : null)
  return outcome === 'made' ? 'Made room for vectors: jobs fill it.' : null
}

/** Makes the demo organisation where there is no organisation yet, and keeps its sign-ins in demo.json. */
export async function ensureDemo(database: Database, directory: string, say: (line: string) => void): Promise<DemoSignIns | null> {
  const made = await seedDemo(database, { hash: hashPassword })
  if (!made) return null
  await writeDemo(directory, made)
  say(`Made the demo organisation "${made.organization}".`)
  return made
}
