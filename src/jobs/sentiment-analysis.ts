import { createHash } from 'node:crypto'
import { ordersIn } from '#ai/instructions.ts'
import { readMood } from '#ai/mood-model.ts'
import { textOf } from '#ai/triage-model.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import { notePredictionApplied, recordPrediction } from '#db/predictions.ts'
import { readSettings } from '#db/settings.ts'
import { escalateForSentiment, holdTicket, upsertSentiment } from '#db/triage.ts'
import type { TicketText } from '#db/job-inputs.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { metrics } from '#metrics.ts'
import type { JobType } from './job-type.ts'
import { newJob } from './job-type.ts'
import { slaCheck } from './sla-check.ts'
import { organizationOf, TICKET_BACKOFF, ticketOf, ticketPayload } from './ticket-job.ts'
import type { TicketPayload } from './ticket-job.ts'

const SHOWN_WORDS = 10
/** A mood is always one of three: it is shown however sure it is, with how sure it is. */
const THRESHOLD = 0

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
    const { label, score, confidence, words, said, model_id } = await readMood(organizationOf(job), job, textOf(ticket), ticket.id)
    const threshold = settings.auto_escalate_threshold
    // A text that gives orders raises nothing on its own: a person looks at it first.
    const isTrusted = ordersIn(textOf(ticket)).length === 0
    const escalates = settings.auto_escalate_negative_sentiment && label === 'negative' && confidence >= threshold && isTrusted
    const strongest = words.toSorted((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, SHOWN_WORDS)
    return {
      kind: 'succeed',
      result: { label, score, confidence, escalation_wanted: escalates },
      writes: async (tx) => {
        const explanation = { sentiment: { words: strongest, model_id, ...(said.length > 0 ? { said } : {}) } }
        await holdTicket(tx, ticket.id)
        await recordPrediction(tx, {
          ticket_id: ticket.id,
          field: 'sentiment',
          value: label,
          confidence,
          mode: 'suggest',
          threshold: THRESHOLD,
          is_offered: true,
          explanation: { ...explanation.sentiment, words: strongest.map(({ word, weight }) => ({ words: word, weight })) },
          model_id,
          inputs_hash: hashOf(model_id, ticket),
        })
        await upsertSentiment(tx, { ticket_id: ticket.id, label, score, confidence, explanation, model_id })
        if (escalates) await escalate(tx, organizationOf(job), ticket, { score, confidence, threshold, job_id: job.id }, { explanation, model_id })
        metrics.aiConfidence.observe({ field: 'sentiment' }, confidence)
      },
    }
  },
}

/** One step up, kept as a prediction that was applied: who rejects it has the former priority back. */
async function escalate(
  tx: DatabaseTransactionConnection,
  organizationId: string,
  ticket: TicketText,
  why: Parameters<typeof escalateForSentiment>[2],
  { explanation, model_id }: { explanation: unknown; model_id: string },
): Promise<void> {
  const step = await escalateForSentiment(tx, ticket.id, why)
  if (!step) return
  const id = await recordPrediction(tx, {
    ticket_id: ticket.id,
    field: 'escalation',
    value: step.to_priority,
    confidence: why.confidence,
    mode: 'apply',
    threshold: why.threshold,
    is_offered: true,
    explanation,
    model_id,
    inputs_hash: hashOf(model_id, ticket),
  })
  if (id !== null) await notePredictionApplied(tx, id, step.from_priority)
  // Another priority has other terms.
  await enqueueJobs(tx, [newJob(slaCheck, organizationId, { ticket_id: ticket.id })])
}

function hashOf(model_id: string, ticket: TicketText): Buffer {
  return createHash('sha256').update(model_id).update('\0').update(textOf(ticket)).digest()
}
