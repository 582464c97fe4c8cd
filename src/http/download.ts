import type { FastifyReply, FastifyRequest } from 'fastify'
import { create } from 'content-disposition'
import type { StoredAttachment } from '#db/attachments.ts'
import type { AttachmentFiles } from '#files/attachment-files.ts'
import { notFound, refusal } from './refusal.ts'

/** Sends a file as something to keep, never to show: by its hash it is cached, and one range of it may be asked for. */
export async function sendFile(request: FastifyRequest, reply: FastifyReply, files: AttachmentFiles, attachment: StoredAttachment): Promise<FastifyReply> {
  const tag = `"${attachment.sha256}"`
  reply.headers({
    etag: tag,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'content-disposition': create(attachment.filename),
    'x-content-type-options': 'nosniff',
  })
  const { 'if-none-match': known, 'if-range': ifRange } = request.headers
  if (known?.split(',').some((each) => each.trim().replace(/^W\//, '') === tag)) return reply.code(304).send()
  const size = attachment.size_bytes
  const range = ifRange === undefined || ifRange === tag ? rangeOf(request.headers.range, size) : null
  if (range === 'beyond') throw refusal(416, `The file has ${size} bytes.`, { headers: { 'content-range': `bytes */${size}` } })
  const { start, end } = range ?? { start: 0, end: Math.max(0, size - 1) }
  const bytes = await files.read(attachment.storage_key, { start, end })
  if (!bytes) throw notFound('file')
  if (range) reply.code(206).header('content-range', `bytes ${start}-${end}/${size}`)
  return reply
    .type(attachment.content_type)
    .header('content-length', size === 0 ? 0 : end - start + 1)
    .send(bytes)
}

/** One range in bytes; null where none is asked for, or one that we do not serve and may ignore. */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | 'beyond' | null {
  const [, from, to] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return null
  if (from === '') return to === '0' || size === 0 ? 'beyond' : { start: Math.max(0, size - Number(to)), end: size - 1 }
  if (to !== '' && Number(to) < Number(from)) return null
  return Number(from) >= size ? 'beyond' : { start: Number(from), end: Math.min(size - 1, to === '' ? size - 1 : Number(to)) }
}
