import type { JobType } from './job-type.ts'
import { cleanup } from './cleanup.ts'
import { deliverWebhook } from './deliver-webhook.ts'
import { kbSuggest } from './kb-suggest.ts'
import { metricsSnapshot } from './metrics-snapshot.ts'
import { probe } from './probe.ts'
import { ragIndex } from './rag-index.ts'
import { sendEmail } from './send-email.ts'
import { sentimentAnalysis } from './sentiment-analysis.ts'
import { slaCheck } from './sla-check.ts'
import { slaPredict } from './sla-predict.ts'
import { smartReply } from './smart-reply.ts'
import { trainModel } from './train-model.ts'
import { triageTicket } from './triage-ticket.ts'

const types = [
  probe,
  triageTicket,
  kbSuggest,
  smartReply,
  sentimentAnalysis,
  slaPredict,
  slaCheck,
  metricsSnapshot,
  ragIndex,
  trainModel,
  sendEmail,
  deliverWebhook,
  cleanup,
]

/** Every kind of job, by name. */
export const jobTypes: ReadonlyMap<string, JobType> = new Map(types.map((type) => [type.name, type as unknown as JobType]))

/** The queues that the kinds of job use. */
export const QUEUES: readonly string[] = [...new Set([...jobTypes.values()].map((type) => type.queue))].toSorted()

/** The kinds of job that a new ticket causes, in its own transaction. */
export const TICKET_JOB_TYPES = ['TRIAGE_TICKET', 'KB_SUGGEST', 'SENTIMENT_ANALYSIS', 'SMART_REPLY', 'SLA_PREDICT'] as const
