import { z } from 'zod'
import { insertDeliveries } from '#db/deliveries.ts'
import type { NewDelivery } from '#db/deliveries.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { NewJob } from '#db/job-enqueue.ts'
import type { CommonQueryMethods } from '#db/pool.ts'

export const WEBHOOK_QUEUE = 'mail'
/** With its back-off: twelve pauses of together some 26 hours. */
export const WEBHOOK_ATTEMPTS = 13
/** So many deliveries to one endpoint are under way at a time: a slow one must not keep the others waiting. */
const PER_ENDPOINT = 5

export const webhookPayload = z.strictObject({ delivery_id: z.uuid().optional() })
export type WebhookPayload = z.infer<typeof webhookPayload>

/** The job that sends a delivery. */
export function webhookJob(organizationId: string, { id, endpoint_id }: Pick<NewDelivery, 'id' | 'endpoint_id'>): NewJob {
  return {
    organization_id: organizationId,
    job_type: 'DELIVER_WEBHOOK',
    queue: WEBHOOK_QUEUE,
    max_attempts: WEBHOOK_ATTEMPTS,
    payload: webhookPayload.parse({ delivery_id: id }),
    limit_key: `webhook ${endpoint_id}`,
    limit_max: PER_ENDPOINT,
  }
}

/** Writes deliveries with the jobs that send them, in the caller's transaction. */
export async function enqueueDeliveries(tx: CommonQueryMethods, organizationId: string, deliveries: readonly Omit<NewDelivery, 'job_id'>[]): Promise<void> {
  const jobs = await enqueueJobs(
    tx,
    deliveries.map((delivery) => webhookJob(organizationId, delivery)),
  )
  await insertDeliveries(
    tx,
    deliveries.map((delivery, index) => ({ ...delivery, job_id: jobs[index]! })),
  )
}
