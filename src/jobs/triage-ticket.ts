import { triage } from '#ai/triage.ts'
import { triageModel } from '#ai/triage-model.ts'
import { readSettings } from '#db/settings.ts'
import { applyTriage, upsertTriage } from '#db/triage.ts'
import { metrics } from '#metrics.ts'
import type { JobType } from './job-type.ts'
import { organizationOf, TICKET_BACKOFF, ticketOf, ticketPayload } from './ticket-job.ts'
import type { TicketPayload } from './ticket-job.ts'

/** Suggests category, priority, tags and assignee from what the organisation's own tickets have taught. */
export const triageTicket: JobType<TicketPayload> = {
  name: 'TRIAGE_TICKET',
  queue: 'ai',
  payload: ticketPayload,
  max_attempts: 5,
  timeout_ms: 120_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const ticket = await ticketOf(job)
    const settings = await job.read(readSettings)
    if (!settings.ai_triage_enabled) return { kind: 'succeed', result: { skipped: 'the organisation has turned triage off' } }
    const model = await triageModel(organizationOf(job), job)
    job.signal.throwIfAborted()
    const found = triage(model, ticket)
    const applied = {
      category: settings.ai_category_mode === 'apply' ? found.category : null,
      priority: settings.ai_priority_mode === 'apply' ? found.priority : null,
      tags: settings.ai_tags_mode === 'apply' ? found.tags : [],
    }
    return {
      kind: 'succeed',
      result: { category: found.category, priority: found.priority, tags: found.tags, confidence: found.confidence, model_id: found.model_id },
      writes: async (tx) => {
        await upsertTriage(tx, found)
        if (applied.category || applied.priority || applied.tags.length > 0) await applyTriage(tx, ticket.id, applied)
        if (found.category_confidence !== null) metrics.aiConfidence.observe({ field: 'category' }, found.category_confidence)
        if (found.priority_confidence !== null) metrics.aiConfidence.observe({ field: 'priority' }, found.priority_confidence)
      },
    }
  },
}
