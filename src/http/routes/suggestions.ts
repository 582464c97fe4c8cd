import type { FastifyPluginAsyncZod } from '@fastify/type-provider-zod'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { LIMITS } from '#config.ts'
import { editDistance } from '#ai/edit-distance.ts'
import { commentRow } from '#db/comments.ts'
import { inOrganization } from '#db/pool.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { decidePrediction } from '#db/predictions.ts'
import { decideSuggestion, lockDraft } from '#db/suggestions.ts'
import { suggestionRow } from '#db/ticket-ai.ts'
import { findTicket } from '#db/tickets.ts'
import { decisionsOn, nextSuggestion } from '#machines/suggestion-step.ts'
import { metrics } from '#metrics.ts'
import { writeComment } from '../comment-writing.ts'
import { once, sendCreated } from '../idempotency.ts'
import type { Answer } from '../idempotency.ts'
import { note } from '../note.ts'
import { notFound, refusal } from '../refusal.ts'
import { tenantOf } from '../scope.ts'
import type { RouteOptions } from '../services.ts'
import { uuidParams } from '../shapes.ts'
import { ruleComment } from '../ticket-rules.ts'
import { viewerOf } from '../ticket-view.ts'

const REASON_CHARS = 500

const post_comment = z.boolean().describe('Post it as a public comment of who accepts it').default(false)
const acceptance = z.strictObject({ post_comment }).nullish()
const edition = z.strictObject({ content: z.string().max(LIMITS.DESCRIPTION_CHARS).regex(/\S/, 'must say something'), post_comment })
const rejection = z.strictObject({ reason: z.string().max(REASON_CHARS).optional() }).nullish()
const decided = z.object({ ...suggestionRow.shape, comment: commentRow.nullable() }).meta({ id: 'DecidedSuggestion' })

interface Wanted {
  event: 'ACCEPT' | 'EDIT' | 'REJECT'
  content: string | null
  post_comment: boolean
  details: Record<string, unknown>
}

export const suggestionRoutes: FastifyPluginAsyncZod<RouteOptions> = async (app, { services: { database, notifier } }) => {
  const tags = ['ticket AI']
  const response = { 200: decided }

  /** One decision on one draft: by its machine, with its audit row, and with the comment where that is asked for. */
  async function decide(request: FastifyRequest, id: string, wanted: Wanted): Promise<Answer<z.infer<typeof decided>>> {
    const { event, content, post_comment, details } = wanted
    const tenant = tenantOf(request)
    let queues: string[] = []
    const decideOnce = async (tx: DatabaseTransactionConnection): Promise<z.infer<typeof decided>> => {
      const draft = await lockDraft(tx, id)
      if (!draft || !(await findTicket(tx, viewerOf(tenant), draft.ticket_id))) throw notFound('suggestion')
      const current = draft.state === 'offered' && draft.is_over ? 'expired' : draft.state
      const sent = event === 'REJECT' ? null : (content ?? draft.content)
      const meant = event === 'EDIT' && sent === draft.content ? 'ACCEPT' : event
      const state = nextSuggestion(current, meant)
      if (!state) throw refuse(current)
      const edit_distance = sent === null ? null : editDistance(draft.content, sent)
      const comment =
        sent !== null && post_comment
          ? await writeComment(tx, request, { ticket_id: draft.ticket_id, author_id: tenant.user_id, content: sent, is_internal: false })
          : null
      if (comment) queues = await ruleComment(tx, { ...tenant, request_id: request.id }, draft.ticket_id)
      const row = await decideSuggestion(tx, id, { state, decided_by: tenant.user_id, final_content: sent, edit_distance, comment_id: comment?.id ?? null })
      if (draft.prediction_id) await decidePrediction(tx, draft.prediction_id, { state, decided_by: tenant.user_id, via: 'suggestion', edit_distance })
      await note(tx, request, {
        action: `suggestion.${meant.toLowerCase()}`,
        entity_type: 'ticket',
        entity_id: draft.ticket_id,
        details: { suggestion_id: id, edit_distance, comment_id: comment?.id ?? null, ...details },
      })
      metrics.aiDecisions.inc({ field: 'smart_reply', decision: state })
      return { ...row, comment }
    }
    const answer = await inOrganization(database.app, tenant.organization_id, (tx) => once(tx, request, tenant, () => decideOnce(tx)))
    notifier.notify(...queues)
    return answer
  }

  app.post(
    '/suggestions/:id/accept',
    { schema: { summary: 'Take a draft as it is; 409 where it is decided or expired', tags, params: uuidParams, body: acceptance, response } },
    async (request, reply) => {
      const post_comment = request.body?.post_comment ?? false
      return sendCreated(reply, await decide(request, request.params.id, { event: 'ACCEPT', content: null, post_comment, details: {} }), 200)
    },
  )

  app.post(
    '/suggestions/:id/edit',
    { schema: { summary: 'Take a draft as somebody changed it', tags, params: uuidParams, body: edition, response } },
    async (request, reply) => sendCreated(reply, await decide(request, request.params.id, { event: 'EDIT', ...request.body, details: {} }), 200),
  )

  app.post(
    '/suggestions/:id/reject',
    { schema: { summary: 'Reject a draft', tags, params: uuidParams, body: rejection, response } },
    async (request, reply) => {
      const details = { reason: request.body?.reason ?? null }
      return sendCreated(reply, await decide(request, request.params.id, { event: 'REJECT', content: null, post_comment: false, details }), 200)
    },
  )
}

function refuse(state: Parameters<typeof decisionsOn>[0]): Error {
  return refusal(409, `The suggestion is ${state}.`, {
    type: 'urn:atum-desk:problem:decision-refused',
    members: { current_state: state, allowed: decisionsOn(state) },
  })
}
