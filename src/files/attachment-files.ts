import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import type { ReadStream } from 'node:fs'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { makeFolder } from '#make-folder.ts'
import { contentTypeOf } from './content-type.ts'

const KEY = /^[0-9a-f-]{36}\/[0-9a-f-]{36}$/
const UUID = /^[0-9a-f-]{36}$/
/** What an upload writes to until it is whole. */
const UNFINISHED = '.part'

/** A file that is stored, as its bytes say. */
export interface StoredFile {
  storage_key: string
  size_bytes: number
  sha256: Buffer
  content_type: string
}

/**
 * The bytes of attachments: `DIRECTORY/ORGANISATION/RANDOM`. No name that somebody chose is ever a path. A file that no row
 * speaks of (its transaction failed, or its row was removed) is an orphan, which CLEANUP finds by its age.
 */
export class AttachmentFiles {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Writes a stream to disk as it comes, whatever its size: the stream's owner bounds it. */
  async save(organizationId: string, source: Readable): Promise<StoredFile> {
    const storage_key = `${organizationId}/${randomUUID()}`
    const path = this.#pathOf(storage_key)
    const unfinished = path + UNFINISHED
    const hash = createHash('sha256')
    let size_bytes = 0
    await makeFolder(join(this.#directory, organizationId), 0o700)
    try {
      await pipeline(
        source,
        async function* count(chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            hash.update(chunk)
            size_bytes += chunk.length
            yield chunk
          }
        },
        createWriteStream(unfinished, { mode: 0o600, flags: 'wx', flush: true }),
      )
      const content_type = await contentTypeOf(unfinished)
      await rename(unfinished, path)
      await using folder = await open(join(this.#directory, organizationId))
      // What is confirmed keeps its name through a power cut.
      await folder.sync()
      return { storage_key, size_bytes, sha256: hash.digest(), content_type }
    } catch (error) {
      await rm(unfinished, { force: true })
      throw error
    }
  }

  /** The bytes from `start` to `end`, both included; null where the file is not there. */
  async read(storageKey: string, range: { start: number; end: number }): Promise<ReadStream | null> {
    const file = await open(this.#pathOf(storageKey)).catch(absent)
    return file && createReadStream('', { fd: file, ...range })
  }

  async remove(storageKey: string): Promise<void> {
    await rm(this.#pathOf(storageKey), { force: true })
  }

  /** Files of an organisation that were last written before an instant: whole ones by their key, and what is left of uploads that broke off. */
  async olderThan(organizationId: string, instant: Date): Promise<{ keys: string[]; unfinished: string[] }> {
    const directory = join(this.#directory, organizationId)
    const names = (await readdir(directory).catch(absent)) ?? []
    const found: { keys: string[]; unfinished: string[] } = { keys: [], unfinished: [] }
    for (const name of names) {
      const whole = name.endsWith(UNFINISHED) ? name.slice(0, -UNFINISHED.length) : name
      if (!UUID.test(whole)) continue
      const facts = await stat(join(directory, name)).catch(absent)
      if (!facts || facts.mtime >= instant) continue
      if (whole === name) found.keys.push(`${organizationId}/${name}`)
      else found.unfinished.push(join(directory, name))
    }
    return found
  }

  async removeUnfinished(paths: readonly string[]): Promise<void> {
    for (const path of paths) await rm(path, { force: true })
  }

  #pathOf(storageKey: string): string {
    if (!KEY.test(storageKey)) throw new Error(`${storageKey} is no key of a stored file`)
    return join(this.#directory, storageKey)
  }
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}
