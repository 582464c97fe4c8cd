import { readSettings } from '#db/settings.ts'
import { dropSmartReply, upsertSmartReply } from '#db/suggestions.ts'
import { articleIndex, solvedIndex } from '#kb/library.ts'
import { draftReply } from '#kb/reply.ts'
import { metrics } from '#metrics.ts'
import type { JobType } from './job-type.ts'
import { organizationOf, TICKET_BACKOFF, ticketOf, ticketPayload } from './ticket-job.ts'
import type { TicketPayload } from './ticket-job.ts'

/** Drafts an answer from public articles and from answers that solved like tickets, with citations, or honestly none. */
export const smartReply: JobType<TicketPayload> = {
  name: 'SMART_REPLY',
  queue: 'ai',
  payload: ticketPayload,
  max_attempts: 5,
  timeout_ms: 60_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const ticket = await ticketOf(job)
    const settings = await job.read(readSettings)
    if (!settings.kb_suggestion_enabled) return { kind: 'succeed', result: { draft: null, reason: 'the organisation has turned suggestions off' } }
    const organizationId = organizationOf(job)
    const draft = draftReply(ticket, await articleIndex(organizationId, job), await solvedIndex(organizationId, job))
    job.signal.throwIfAborted()
    if (!draft) {
      const reason = 'no article and no earlier answer is close enough to the ticket'
      return { kind: 'succeed', result: { draft: null, reason }, writes: (tx) => dropSmartReply(tx, ticket.id) }
    }
    return {
      kind: 'succeed',
      result: { draft: draft.content, confidence: draft.confidence, citations: draft.citations.length },
      writes: async (tx) => {
        await upsertSmartReply(tx, draft)
        metrics.aiConfidence.observe({ field: 'smart_reply' }, draft.confidence)
      },
    }
  },
}
