import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { AttachmentFiles, StoredFile } from '#files/attachment-files.ts'
import { refusal } from './refusal.ts'

const FILENAME_CHARS = 255
/** Nobody attaches a program to a ticket for a good reason that an archive would not serve. */
const REFUSED: readonly string[] = [
  'application/x-msdownload',
  'application/x-elf',
  'application/x-mach-binary',
  'application/java-vm',
  'application/x-ms-shortcut',
  'application/x-ft-apple.alias',
]

/** What the parser says, without a code, of a form that ends early or whose boundary is none. */
const UNREADABLE = /multipart data|Boundary not found|^The needle cannot/

const commentId = z.guid()

/** A form that was received: its one file, stored, and what it said beside it. */
export interface Upload extends StoredFile {
  filename: string
  comment_id: string | null
}

/**
 * Receives a multipart form with one file, which goes to disk as it comes. What is refused leaves no file behind.
 *
 * @throws a refusal with 400 for a form that cannot be read, with 413 where the file is too large, with 415 for what is no form and for programs
 */
export async function receiveUpload(request: FastifyRequest, files: AttachmentFiles, organizationId: string): Promise<Upload> {
  if (!request.isMultipart()) throw refusal(415, 'Send the file as multipart/form-data.')
  let stored: StoredFile | null = null
  let filename = ''
  let comment: string | null = null
  try {
    for await (const part of request.parts()) {
      if (part.type === 'field') {
        if (part.fieldname !== 'comment_id') throw badField(part.fieldname.slice(0, 100), 'is unknown')
        const parsed = commentId.safeParse(part.value)
        if (!parsed.success) throw badField('comment_id', 'must be a UUID')
        comment = parsed.data
        continue
      }
      if (part.fieldname !== 'file') throw badField(part.fieldname.slice(0, 100), 'is unknown')
      filename = safeName(part.filename)
      stored = await files.save(organizationId, part.file)
      if (part.file.truncated) throw refusal(413, 'The file is too large.')
    }
    if (!stored) throw badField('file', 'is missing')
    if (REFUSED.includes(stored.content_type)) throw refusal(415, `Programs are not taken: this is ${stored.content_type}. Pack it into an archive.`)
    return { ...stored, filename, comment_id: comment }
  } catch (error) {
    if (stored) await files.remove(stored.storage_key)
    throw isOfSender(error) ? refusal(400, 'The form cannot be read: it breaks off, or names no boundary.') : error
  }
}

/** Whether a form ended for what its sender did: nothing else here reads from a network. */
function isOfSender(error: unknown): boolean {
  return error instanceof Error && (UNREADABLE.test(error.message) || ('code' in error && error.code === 'ECONNRESET'))
}

/** Forms write these three of a name's characters so, and no others. */
const ESCAPED: Record<string, string> = { '%22': '"', '%0D': '\r', '%0A': '\n' }

/** The last part of a name, without what could end a line or hide how it reads; what is left of nothing is `file`. */
function safeName(name: string | undefined): string {
  const chosen = (name ?? '').toWellFormed().replaceAll(/%(22|0D|0A)/g, (escape) => ESCAPED[escape]!)
  const last = chosen.split(/[/\\]/).at(-1)!
  const shown = last.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '').trim()
  return (/^\.*$/.test(shown) ? 'file' : shown).slice(0, FILENAME_CHARS).toWellFormed()
}

function badField(path: string, message: string): Error {
  return refusal(400, 'The form is not well-formed: see errors.', { errors: [{ location: 'body', path, message }] })
}
