import { z } from 'zod'
import { sql } from './sql.ts'
import { visibleTo } from './tickets.ts'
import type { TicketViewer } from './tickets.ts'
import type { CommonQueryMethods } from './pool.ts'

export const attachmentRow = z.object({
  id: z.string(),
  ticket_id: z.string(),
  comment_id: z.string().nullable(),
  filename: z.string(),
  content_type: z.string(),
  size_bytes: z.number(),
  sha256: z.string(),
  uploaded_by: z.string(),
  created_at: z.date(),
})
export type AttachmentRow = z.infer<typeof attachmentRow>

const attachmentColumns = sql.fragment`
  attachment.id, attachment.ticket_id, comment_id, filename, content_type, size_bytes, encode(sha256, 'hex') as sha256, uploaded_by, attachment.created_at`

export interface NewAttachment {
  ticket_id: string
  comment_id: string | null
  filename: string
  content_type: string
  size_bytes: number
  sha256: Buffer
  storage_key: string
  uploaded_by: string
}

/** Writes what is known of a stored file, as an attachment to a ticket of the bound organisation. */
export async function insertAttachment(db: CommonQueryMethods, wanted: NewAttachment): Promise<AttachmentRow> {
  return db.one(sql.type(attachmentRow)`
    insert into attachments as attachment (organization_id, ticket_id, comment_id, filename, content_type, size_bytes, sha256, storage_key, uploaded_by)
    values (bound_organization(), ${wanted.ticket_id}, ${wanted.comment_id}, ${wanted.filename}, ${wanted.content_type}, ${wanted.size_bytes},
            ${sql.binary(wanted.sha256)}, ${wanted.storage_key}, ${wanted.uploaded_by})
    returning ${attachmentColumns}`)
}

export async function countAttachments(db: CommonQueryMethods, ticketId: string): Promise<number> {
  return db.oneFirst(sql.typeAlias('count')`select count(*) as count from attachments where organization_id = bound_organization() and ticket_id = ${ticketId}`)
}

/** What is attached to an internal comment is as internal as the comment. */
const shown = (sees: { internal: boolean }) => sql.fragment`(${sees.internal} or comment_id is null or exists (
  select from comments comment where comment.organization_id = attachment.organization_id and comment.id = comment_id and not comment.is_internal))`

const positioned = attachmentRow.extend({ at_us: z.number() })

/** Attachments of a ticket, the oldest first, after a position: (microseconds since 1970, id). */
export async function listAttachments(
  db: CommonQueryMethods,
  ticketId: string,
  sees: { internal: boolean },
  page: { after: { at_us: number; id: string } | null; limit: number },
): Promise<readonly z.infer<typeof positioned>[]> {
  return db.any(sql.type(positioned)`
    select ${attachmentColumns}, (extract(epoch from attachment.created_at) * 1000000)::int8 as at_us
      from attachments attachment
     where organization_id = bound_organization() and ticket_id = ${ticketId} and ${shown(sees)}
       and (${page.after?.at_us ?? null}::int8 is null
            or ((extract(epoch from attachment.created_at) * 1000000)::int8, attachment.id) > (${page.after?.at_us ?? null}::int8, ${page.after?.id ?? null}::uuid))
     order by attachment.created_at, attachment.id limit ${page.limit}`)
}

const stored = attachmentRow.extend({ storage_key: z.string(), is_internal: z.boolean() })
export type StoredAttachment = z.infer<typeof stored>

/** An attachment to a ticket that the viewer sees, with where its bytes lie. */
export async function findAttachment(db: CommonQueryMethods, viewer: TicketViewer, sees: { internal: boolean }, id: string): Promise<StoredAttachment | null> {
  return db.maybeOne(sql.type(stored)`
    select ${attachmentColumns}, storage_key, not ${shown({ internal: false })} as is_internal
      from attachments attachment join tickets ticket on ticket.organization_id = attachment.organization_id and ticket.id = ticket_id
     where attachment.organization_id = bound_organization() and attachment.id = ${id} and ${visibleTo(viewer)} and ${shown(sees)}`)
}

export async function deleteAttachment(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from attachments where organization_id = bound_organization() and id = ${id}`)
}

/** Which of these keys are those of attachments of the bound organisation. */
export async function knownStorageKeys(db: CommonQueryMethods, keys: readonly string[]): Promise<ReadonlySet<string>> {
  const found = await db.anyFirst(sql.type(z.object({ storage_key: z.string() }))`
    select storage_key from attachments where organization_id = bound_organization() and storage_key = any(${sql.array(keys, 'text')})`)
  return new Set(found)
}
