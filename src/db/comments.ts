import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export const commentRow = z.object({
  id: z.string(),
  ticket_id: z.string(),
  author_id: z.string(),
  content: z.string(),
  is_internal: z.boolean(),
  is_ai_generated: z.boolean(),
  created_at: z.date(),
})
export type CommentRow = z.infer<typeof commentRow>

/** Writes a comment to a ticket of the bound organisation. */
export async function insertComment(
  db: CommonQueryMethods,
  comment: { ticket_id: string; author_id: string; content: string; is_internal: boolean },
): Promise<CommentRow> {
  return db.one(sql.type(commentRow)`
    insert into comments (organization_id, ticket_id, author_id, content, is_internal)
    values (bound_organization(), ${comment.ticket_id}, ${comment.author_id}, ${comment.content}, ${comment.is_internal})
    returning id, ticket_id, author_id, content, is_internal, is_ai_generated, created_at`)
}

/** A comment of a ticket, internal or not. */
export async function findComment(db: CommonQueryMethods, ticketId: string, id: string): Promise<CommentRow | null> {
  return db.maybeOne(sql.type(commentRow)`
    select id, ticket_id, author_id, content, is_internal, is_ai_generated, created_at
      from comments where organization_id = bound_organization() and ticket_id = ${ticketId} and id = ${id}`)
}

const positioned = commentRow.extend({ at_us: z.number() })

/** Comments of a ticket, oldest first, after a position: (microseconds since 1970, id), exact where a Date would not be. */
export async function listComments(
  db: CommonQueryMethods,
  ticketId: string,
  sees: { internal: boolean },
  page: { after: { at_us: number; id: string } | null; limit: number },
): Promise<readonly z.infer<typeof positioned>[]> {
  return db.any(sql.type(positioned)`
    select id, ticket_id, author_id, content, is_internal, is_ai_generated, created_at, (extract(epoch from created_at) * 1000000)::int8 as at_us
      from comments
     where organization_id = bound_organization() and ticket_id = ${ticketId} and (${sees.internal} or not is_internal)
       and (${page.after?.at_us ?? null}::int8 is null
            or ((extract(epoch from created_at) * 1000000)::int8, id) > (${page.after?.at_us ?? null}::int8, ${page.after?.id ?? null}::uuid))
     order by created_at, id limit ${page.limit}`)
}
