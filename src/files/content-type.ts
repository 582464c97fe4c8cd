import { open } from 'node:fs/promises'
import { fileTypeFromFile } from 'file-type'

/** Text is known by its beginning. */
const SAMPLE_BYTES = 65_536
const PLAIN_TEXT = 'text/plain; charset=utf-8'
const UNKNOWN = 'application/octet-stream'

/** What a file is, by its bytes alone: neither its name nor what the sender said of it counts. */
export async function contentTypeOf(path: string): Promise<string> {
  const known = await fileTypeFromFile(path)
  if (known) return known.mime
  return (await looksLikeText(path)) ? PLAIN_TEXT : UNKNOWN
}

async function looksLikeText(path: string): Promise<boolean> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, 0)
  try {
    // `stream`: the sample may end within a character.
    return !new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, bytesRead), { stream: true }).includes('\0')
  } catch {
    return false
  }
}
