import multipart from '@fastify/multipart'
import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import { z } from 'zod'
import { attachmentsDirectory, LIMITS } from '#config.ts'
import { attachmentRow, countAttachments, deleteAttachment, findAttachment, insertAttachment, listAttachments } from '#db/attachments.ts'
import type { AttachmentRow } from '#db/attachments.ts'
import { findComment } from '#db/comments.ts'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { findTicket, lockTicket } from '#db/tickets.ts'
import { AttachmentFiles } from '#files/attachment-files.ts'
import { sendFile } from '../download.ts'
import { once, sendCreated } from '../idempotency.ts'
import type { Answer } from '../idempotency.ts'
import { note } from '../note.ts'
import { cursorOf, limitQuery, pageOf, toPage } from '../paging.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { Tenant } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { isStaff, viewerOf } from '../ticket-view.ts'
import { receiveUpload } from '../upload.ts'
import type { Upload } from '../upload.ts'

const FIELD_BYTES = 100
const HEADER_PAIRS = 20
/** A large file over a slow line. */
const UPLOAD_TIMEOUT_MS = 300_000

const form = z.object({
  file: z.string().meta({ format: 'binary' }),
  comment_id: z.guid().describe('The comment to which the file belongs; who sees the comment sees the file').optional(),
})
const attachmentQuery = z.strictObject({ limit: limitQuery, cursor: cursorOf(z.tuple([z.int(), z.guid()])) })
const attachmentSchema = attachmentRow.extend({ sha256: z.string().describe('In hexadecimal') }).meta({ id: 'Attachment' })

export const attachmentRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { config, database, log } }) => {
  const tags = ['attachments']
  const files = new AttachmentFiles(attachmentsDirectory(config))
  const limits = { fileSize: LIMITS.ATTACHMENT_BYTES, files: 1, fields: 1, parts: 2, fieldSize: FIELD_BYTES, headerPairs: HEADER_PAIRS }
  await app.register(multipart, { limits, throwFileSizeLimit: true })

  app.post(
    '/tickets/:id/attachments',
    {
      handlerTimeout: UPLOAD_TIMEOUT_MS,
      // The form is read as it comes, by the handler.
      validatorCompiler: ({ schema, httpPart, ...rest }) => (httpPart === 'body' ? () => true : app.validatorCompiler!({ schema, httpPart, ...rest })),
      schema: {
        summary: `Attach a file of at most ${LIMITS.ATTACHMENT_BYTES / 2 ** 20} MiB`,
        tags,
        consumes: ['multipart/form-data'],
        params: uuidParams,
        body: form,
        response: { 201: attachmentSchema },
      },
    },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const { id } = request.params
      // Before a byte is taken in, and again where it counts.
      await inOrganization(database.app, tenant.organization_id, async (tx) => {
        if (!(await findTicket(tx, viewerOf(tenant), id))) throw notFound('ticket')
        await requireRoom(tx, id)
      })
      const upload = await receiveUpload(request, files, tenant.organization_id)
      let answer: Answer<AttachmentRow> | undefined
      try {
        // What was received stands for the body, so that an Idempotency-Key goes with this very file.
        request.body = { sha256: upload.sha256.toString('hex'), filename: upload.filename, comment_id: upload.comment_id } as never
        answer = await inOrganization(database.app, tenant.organization_id, async (tx) => {
          if (!(await lockTicket(tx, viewerOf(tenant), id))) throw notFound('ticket')
          return once(tx, request, tenant, async () => {
            await requireRoom(tx, id)
            const is_internal = await internalityOf(tx, tenant, id, upload)
            const { storage_key, sha256, ...shown } = upload
            const attachment = await insertAttachment(tx, { ...shown, sha256, storage_key, ticket_id: id, uploaded_by: tenant.user_id })
            await note(tx, request, { action: 'attachment.create', entity_type: 'ticket', entity_id: id, details: detailsOf(attachment, is_internal) })
            return attachment
          })
        })
      } finally {
        if (answer === undefined || answer.replayed) await files.remove(upload.storage_key)
      }
      reply.header('location', `/api/v1/attachments/${(answer.body as { id: string }).id}`)
      return sendCreated(reply, answer)
    },
  )

  app.get(
    '/tickets/:id/attachments',
    {
      schema: {
        summary: 'Attachments of a ticket, the oldest first',
        tags,
        params: uuidParams,
        querystring: attachmentQuery,
        response: { 200: pageOf(attachmentSchema) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request)
      const { limit, cursor } = request.query
      const after = cursor ? { at_us: cursor[0], id: cursor[1] } : null
      const rows = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        if (!(await findTicket(tx, viewerOf(tenant), request.params.id))) throw notFound('ticket')
        return listAttachments(tx, request.params.id, { internal: isStaff(tenant) }, { after, limit: limit + 1 })
      })
      return toPage(
        rows,
        limit,
        ({ at_us: _at, ...attachment }) => attachment,
        (row) => [row.at_us, row.id],
      )
    },
  )

  const find = async (tenant: Tenant, id: string) => {
    const found = await inOrganization(database.app, tenant.organization_id, (tx) => findAttachment(tx, viewerOf(tenant), { internal: isStaff(tenant) }, id))
    if (!found) throw notFound('attachment')
    return found
  }

  app.get(
    '/attachments/:id',
    { schema: { summary: 'What is known of an attachment', tags, params: uuidParams, response: { 200: attachmentSchema } } },
    async (request) => {
      const { storage_key: _key, is_internal: _internal, ...attachment } = await find(tenantOf(request), request.params.id)
      return attachment
    },
  )

  app.get(
    '/attachments/:id/download',
    {
      schema: {
        summary: 'The file itself, or one range of it',
        tags,
        params: uuidParams,
        produces: ['application/octet-stream'],
        response: { 200: z.string().describe('The file'), 206: z.string().describe('The range that was asked for') },
      },
    },
    async (request, reply) => sendFile(request, reply, files, await find(tenantOf(request), request.params.id)),
  )

  app.delete(
    '/attachments/:id',
    { schema: { summary: 'Remove an attachment and its file', tags, params: uuidParams, response: { 204: z.void() } } },
    async (request, reply) => {
      const tenant = tenantOf(request)
      const removed = await inOrganization(database.app, tenant.organization_id, async (tx) => {
        const attachment = await findAttachment(tx, viewerOf(tenant), { internal: true }, request.params.id)
        if (!attachment) throw notFound('attachment')
        await deleteAttachment(tx, attachment.id)
        await note(tx, request, {
          action: 'attachment.delete',
          entity_type: 'ticket',
          entity_id: attachment.ticket_id,
          details: detailsOf(attachment, attachment.is_internal),
        })
        return attachment
      })
      // The row is gone, so nobody can ask for the file: where it cannot be removed now, CLEANUP does it.
      await files.remove(removed.storage_key).catch((error: unknown) => log.warn({ err: error, attachment_id: removed.id }, 'a file could not be removed'))
      return reply.code(204).send()
    },
  )
}

async function requireRoom(tx: DatabaseTransactionConnection, ticketId: string): Promise<void> {
  if ((await countAttachments(tx, ticketId)) < LIMITS.ATTACHMENTS_PER_TICKET) return
  throw refusal(409, `A ticket has at most ${LIMITS.ATTACHMENTS_PER_TICKET} attachments.`)
}

/** Whether the upload is as internal as its comment, which must be one of the ticket that the tenant may attach to. */
async function internalityOf(tx: DatabaseTransactionConnection, tenant: Tenant, ticketId: string, { comment_id }: Upload): Promise<boolean> {
  if (comment_id === null) return false
  const comment = await findComment(tx, ticketId, comment_id)
  const isTheirs = comment && (isStaff(tenant) || (comment.author_id === tenant.user_id && !comment.is_internal))
  if (isTheirs) return comment.is_internal
  throw refusal(422, 'The comment is none of this ticket to which you can attach.', {
    errors: [{ location: 'body', path: 'comment_id', message: 'does not exist' }],
  })
}

const detailsOf = ({ id, filename, content_type, size_bytes }: AttachmentRow, is_internal: boolean) => ({
  attachment_id: id,
  filename,
  content_type,
  size_bytes,
  is_internal,
})
