import { hasTakenSince, noteDelivery, readDelivery } from '#db/deliveries.ts'
import type { DeliveryOutcome, WebhookDelivery } from '#db/deliveries.ts'
import { unfollowedLogs } from '#db/events.ts'
import { bindOrganization } from '#db/pool.ts'
import { metrics } from '#metrics.ts'
import { readDeliveryConfig } from './delivery-config.ts'
import { reasonOf, settleDeliveries } from './delivery-ends.ts'
import { followEvents } from './event-follow-up.ts'
import { PermanentFailure } from './job-type.ts'
import type { JobType, Outcome, RunningJob } from './job-type.ts'
import { PrivateAddressError } from './public-address.ts'
import { organizationOf } from './ticket-job.ts'
import { switchOff } from './webhook-switch.ts'
import { WEBHOOK_ATTEMPTS, WEBHOOK_QUEUE, webhookPayload } from './webhook-job.ts'
import type { WebhookPayload } from './webhook-job.ts'
import { postDelivery } from './webhook-post.ts'
import type { Answer } from './webhook-post.ts'

const GONE = 410
/** A run of the schedule follows so many organisations' logs; the others are the next run's. */
const LOGS_MAX = 100

/**
 * Posts an event to a tenant's endpoint. The webhook-id stays the same over all attempts, so that the receiver can drop a
 * repetition. Without a delivery, by the schedule, it follows the logs that no API process has followed, and
 * settles the deliveries whose jobs could not.
 */
export const deliverWebhook: JobType<WebhookPayload> = {
  name: 'DELIVER_WEBHOOK',
  queue: WEBHOOK_QUEUE,
  payload: webhookPayload,
  max_attempts: WEBHOOK_ATTEMPTS,
  timeout_ms: 30_000,
  backoff: { base_ms: 5_000, factor: 4, max_ms: 14_400_000, jitter: 0.2 },
  belongs_to: 'either',
  run: (job) => (job.payload.delivery_id === undefined ? follow(job) : deliver(job, job.payload.delivery_id)),
}

async function follow(job: RunningJob<WebhookPayload>): Promise<Outcome> {
  const logs = await job.read((db) => unfollowedLogs(db, LOGS_MAX))
  return {
    kind: 'succeed',
    result: { logs: logs.length },
    writes: async (tx) => {
      for (const organization of logs) {
        await bindOrganization(tx, organization)
        await followEvents(tx, organization)
      }
      await bindOrganization(tx, '')
      await settleDeliveries(tx)
    },
  }
}

async function deliver(job: RunningJob<WebhookPayload>, id: string): Promise<Outcome> {
  const delivery = await job.read((db) => readDelivery(db, id))
  if (!delivery) throw new PermanentFailure(`the organisation has no delivery ${id}`)
  if (!delivery.is_active) return ended(job, delivery, { status: 'refused', response_status: null, error: 'the endpoint is switched off' })
  let answer: Answer | null = null
  try {
    answer = await postDelivery(delivery, readDeliveryConfig().WEBHOOK_ALLOW_PRIVATE, job.signal)
    if (answer.status === GONE) return ended(job, delivery, { status: 'refused', response_status: GONE, error: 'the endpoint says that it is gone' })
    if (answer.status >= 200 && answer.status < 300) return ended(job, delivery, { status: 'delivered', response_status: answer.status, error: null })
    throw new Error(`the endpoint answered ${answer.status}${answer.excerpt ? `: ${answer.excerpt}` : ''}`)
  } catch (error) {
    if (error instanceof PrivateAddressError) return ended(job, delivery, { status: 'refused', response_status: null, error: error.message })
    if (job.signal.aborted || job.attempt < WEBHOOK_ATTEMPTS) throw error
    return ended(job, delivery, { status: 'failed', response_status: answer?.status ?? null, error: error instanceof Error ? error.message : String(error) })
  }
}

/** The end of a delivery, whatever it is: it is noted with the job, and an endpoint that takes nothing any more is switched off. */
function ended(job: RunningJob<WebhookPayload>, delivery: WebhookDelivery, outcome: Omit<DeliveryOutcome, 'attempt'>): Outcome {
  const { status, response_status } = outcome
  const last = { organization_id: organizationOf(job), endpoint_id: delivery.endpoint_id, delivery_id: delivery.id, job_id: job.id }
  return {
    kind: 'succeed',
    result: { status, response_status },
    writes: async (tx) => {
      await noteDelivery(tx, delivery.id, { ...outcome, attempt: job.attempt })
      metrics.webhookDeliveries.inc({ outcome: status })
      if (response_status === GONE) await switchOff(tx, last, 'it says that it is gone (410)')
      else if (status === 'failed' && !(await hasTakenSince(tx, delivery.id))) {
        await switchOff(tx, last, reasonOf(outcome.error))
      }
    },
  }
}
