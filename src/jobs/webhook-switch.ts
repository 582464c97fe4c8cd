import { insertAudit } from '#db/audit.ts'
import { enqueueJobs } from '#db/job-enqueue.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import { adminAddresses } from '#db/users.ts'
import { disableEndpoint } from '#db/webhooks.ts'
import { newJob } from './job-type.ts'
import { sendEmail } from './send-email.ts'

/** So many admins are told. */
const TOLD_MAX = 20

/** The delivery because of which an endpoint is switched off. */
export interface LastDelivery {
  organization_id: string
  endpoint_id: string
  delivery_id: string
  job_id: number
}

/** Switches an endpoint off, once, and tells: the audit (and with it the stream of events), and the organisation's admins by mail. */
export async function switchOff(tx: CommonQueryMethods, { organization_id, endpoint_id, delivery_id, job_id }: LastDelivery, reason: string): Promise<void> {
  const url = await disableEndpoint(tx, endpoint_id, reason)
  if (url === null) return
  const details = { reason, delivery_id, job_id }
  await insertAudit(tx, {
    organization_id,
    actor_id: null,
    action: 'webhook.disable',
    entity_type: 'webhook',
    entity_id: endpoint_id,
    details,
    request_id: null,
  })
  const text = `The webhook to ${url} is switched off: ${reason}\n\nIts deliveries are kept for a month. Once the receiver is well again, switch the webhook on (PATCH /api/v1/webhooks/${endpoint_id}) and replay what it missed.`
  const admins = await adminAddresses(tx, TOLD_MAX)
  await enqueueJobs(
    tx,
    admins.map((to) => newJob(sendEmail, organization_id, { to, subject: 'A webhook is switched off', text })),
  )
}
