import { ConfigError } from '#config.ts'
import type { Config } from '#config.ts'
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

/** The queues that a worker of this configuration serves: all, where none is named. @throws ConfigError for one that no kind of job uses */
export function queuesOf({ WORKER_QUEUES }: Config): readonly string[] {
  const unknown = WORKER_QUEUES.find((name) => !QUEUES.includes(name))
  if (unknown !== undefined) throw new ConfigError(`WORKER_QUEUES: there is no queue ${unknown}, only ${QUEUES.join(', ')}`)
  return WORKER_QUEUES.length > 0 ? WORKER_QUEUES : QUEUES
}

/** The kinds of job that a new ticket causes, in its own transaction. */
export const TICKET_JOB_TYPES = ['TRIAGE_TICKET', 'KB_SUGGEST', 'SENTIMENT_ANALYSIS', 'SMART_REPLY', 'SLA_PREDICT'] as const
