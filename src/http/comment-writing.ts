import type { FastifyRequest } from 'fastify'
import { insertComment } from '#db/comments.ts'
import type { CommentRow } from '#db/comments.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { lockTicket } from '#db/tickets.ts'
import { note } from './note.ts'

/**
 * Writes a comment with its event: whoever follows the log hears of each, whatever route it came by. The ticket is locked before, as by
 * who changes it: a comment asks for a look at its clocks, and who took that first and then the ticket would wait in a circle.
 */
export async function writeComment(tx: CommonQueryMethods, request: FastifyRequest, wanted: Parameters<typeof insertComment>[1]): Promise<CommentRow> {
  await lockTicket(tx, { user_id: null, sees: 'all' }, wanted.ticket_id)
  const comment = await insertComment(tx, wanted)
  const { id, ticket_id, is_internal, is_ai_generated } = comment
  await note(tx, request, { action: 'comment.create', entity_type: 'comment', entity_id: id, details: { ticket_id, is_internal, is_ai_generated } })
  return comment
}
