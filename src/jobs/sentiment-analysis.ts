import { SENTIMENT_MODEL, sentimentOf } from '#ai/sentiment.ts'
import { textOf } from '#ai/triage-model.ts'
import { readSettings } from '#db/settings.ts'
import { escalateForSentiment, upsertSentiment } from '#db/triage.ts'
import { metrics } from '#metrics.ts'
import type { JobType } from './job-type.ts'
import { TICKET_BACKOFF, ticketOf, ticketPayload } from './ticket-job.ts'
import type { TicketPayload } from './ticket-job.ts'

const SHOWN_WORDS = 10

/** Reads how the customer feels; where the organisation wants it, raises the priority of an angry ticket by one step, once. */
export const sentimentAnalysis: JobType<TicketPayload> = {
  name: 'SENTIMENT_ANALYSIS',
  queue: 'ai',
  payload: ticketPayload,
  max_attempts: 5,
  timeout_ms: 30_000,
  backoff: TICKET_BACKOFF,
  belongs_to: 'organization',
  async run(job) {
    const ticket = await ticketOf(job)
    const settings = await job.read(readSettings)
    if (!settings.ai_triage_enabled && !settings.auto_escalate_negative_sentiment) {
      return { kind: 'succeed', result: { skipped: 'the organisation has turned triage and escalation off' } }
    }
    const { label, score, confidence, words } = sentimentOf(textOf(ticket))
    const threshold = settings.auto_escalate_threshold
    const escalates = settings.auto_escalate_negative_sentiment && label === 'negative' && confidence >= threshold
    const strongest = words.toSorted((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, SHOWN_WORDS)
    return {
      kind: 'succeed',
      result: { label, score, confidence, escalation_wanted: escalates },
      writes: async (tx) => {
        const explanation = { sentiment: { words: strongest, model_id: SENTIMENT_MODEL } }
        await upsertSentiment(tx, { ticket_id: ticket.id, label, score, confidence, explanation, model_id: SENTIMENT_MODEL })
        if (escalates) await escalateForSentiment(tx, ticket.id, { score, confidence, threshold, job_id: job.id })
        metrics.aiConfidence.observe({ field: 'sentiment' }, confidence)
      },
    }
  },
}
