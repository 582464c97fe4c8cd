import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { fingerprint, sequence, tableShape } from '#db/backup-tables.ts'

/**
 * A backup is a folder:
 *
 *     manifest.json        what is in it (below)
 *     SHA256SUMS           of every other file, for `sha256sum -c` as well
 *     tables/NAME.copy.gz  rows in PostgreSQL's COPY format (method copy)
 *     database.dump        what pg_dump wrote (method pg_dump)
 *     attachments/         as they lie in ATTACHMENTS_DIR
 */
const manifest = z.object({
  format: z.literal(1),
  program: z.string(),
  created_at: z.string(),
  server_version: z.number(),
  method: z.enum(['copy', 'pg_dump']),
  migrations: z.array(z.string()),
  tables: z.array(tableShape.extend(fingerprint.shape)),
  sequences: z.array(sequence),
  attachments: z.number(),
})
export type Manifest = z.infer<typeof manifest>

export const MANIFEST = 'manifest.json'
const SUMS = 'SHA256SUMS'

/** A backup that cannot be relied upon; its message says why. */
export class BackupError extends Error {
  override name = 'BackupError'
}

const FOLDER_FAULTS = new Set(['EACCES', 'EDQUOT', 'EEXIST', 'EINVAL', 'EIO', 'ENOENT', 'ENOSPC', 'ENOTDIR', 'EPERM', 'EROFS'])
/** Whether a folder is the reason: it cannot be made or written to, or its disk is full. */
export const isOfFolder = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && 'code' in error && FOLDER_FAULTS.has(String(error.code))

export const tableFile = (table: string): string => join('tables', `${table}.copy.gz`)

/** Writes the manifest and the sums of everything, and reads it all once more: what is said to be kept is on the disk. */
export async function seal(folder: string, content: Manifest): Promise<void> {
  await writeSynced(join(folder, MANIFEST), `${JSON.stringify(manifest.parse(content), null, 2)}\n`)
  const sums = await sumsOf(folder)
  await writeSynced(join(folder, SUMS), [...sums].map(([file, sum]) => `${sum}  ${file}\n`).join(''))
  await checkBackup(folder)
}

/** Reads every file of a backup and what it says of itself. @throws BackupError */
export async function checkBackup(folder: string): Promise<Manifest> {
  const text = await readFile(join(folder, SUMS), 'utf8').catch(() => {
    throw new BackupError(`${folder} is no whole backup: it has no ${SUMS}.`)
  })
  const lines = text.split('\n').filter(Boolean)
  if (!lines.every((line) => /^[0-9a-f]{64} {2}[\w./-]+$/.test(line))) throw new BackupError(`${join(folder, SUMS)} is no list of checksums, or is damaged.`)
  const expected = new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]))
  const actual = await sumsOf(folder)
  for (const [file, sum] of expected) {
    if (!actual.has(file)) throw new BackupError(`${join(folder, file)} is missing.`)
    if (actual.get(file) !== sum) throw new BackupError(`${join(folder, file)} is damaged: its checksum is another one.`)
  }
  for (const file of actual.keys()) if (!expected.has(file)) throw new BackupError(`${join(folder, file)} does not belong to the backup.`)
  const parsed = manifest.safeParse(parseJson(await readFile(join(folder, MANIFEST), 'utf8')))
  if (!parsed.success) throw new BackupError(`${join(folder, MANIFEST)} is not one that this version reads: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

/** Null where it is no JSON at all. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** The hash of a file's bytes, in hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

async function sumsOf(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => file !== SUMS)
    .toSorted()
  const sums = new Map<string, string>()
  for (const file of files) sums.set(file, await sha256Of(join(folder, file)))
  return sums
}

async function writeSynced(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600, flush: true })
}

/** Gives a finished folder its name, and sees to it that the name is on the disk as well. */
export async function finish(partial: string, folder: string): Promise<void> {
  await rename(partial, folder)
  await using parent = await open(join(folder, '..'))
  await parent.sync()
}
