import { existsSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { after } from 'node:test'
import { allowServiceLogins, serviceUrls } from '#db/logins.ts'
import { migrate } from '#db/migrations.ts'
import { openDatabase } from '#db/pool.ts'
import { connectOwner } from './database.ts'
import type { TestDatabase } from './database.ts'
import { debianBinaries, startDebianPostgres } from './debian-postgres.ts'

/** The distribution's PostgreSQL where it has the extension vector; the embedded one has none. */
export function vectorBinaries(): string | null {
  const bin = debianBinaries()
  return bin && existsSync(`/usr/share/postgresql/${basename(dirname(bin))}/extension/vector.control`) ? bin : null
}

/** A migrated database on a server of its own, which has the extension vector. */
export async function vectorDatabase(bin: string): Promise<TestDatabase> {
  const ownerUrl = await startDebianPostgres(bin)
  await migrate(ownerUrl, 'up')
  await allowServiceLogins(ownerUrl)
  const database = await openDatabase(serviceUrls(ownerUrl), { size: 10, name: 'test' })
  const owner = connectOwner(ownerUrl)
  after(async () => {
    await database.end().catch(() => {})
    await owner.end().catch(() => {})
  })
  return { ...database, ownerUrl, owner: owner.query }
}
