import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import { noteDelivery, readDelivery } from '#db/deliveries.ts'
import type { WebhookDelivery } from '#db/deliveries.ts'
import { readDeliveryConfig } from './delivery-config.ts'
import { PermanentFailure } from './job-type.ts'
import type { JobType } from './job-type.ts'
import { PrivateAddressError, vettedAddress } from './public-address.ts'

const ANSWER_MS = 15_000
const GONE = 410

const payload = z.strictObject({ delivery_id: z.uuid() })

/** Posts an event to a tenant's endpoint, signed by the Standard Webhooks rules. The id stays the same over all attempts, so that the receiver can drop a repetition. */
export const deliverWebhook: JobType<z.infer<typeof payload>> = {
  name: 'DELIVER_WEBHOOK',
  queue: 'mail',
  payload,
  max_attempts: 8,
  timeout_ms: 30_000,
  backoff: { base_ms: 5_000, factor: 5, max_ms: 14_400_000, jitter: 0.2 },
  belongs_to: 'organization',
  async run(job) {
    const { delivery_id } = job.payload
    const delivery = await job.read((db) => readDelivery(db, delivery_id))
    if (!delivery) throw new PermanentFailure(`the organisation has no delivery ${delivery_id}`)
    const note = (status: 'delivered' | 'refused', response_status: number | null, endpoint_gone = false) => ({
      kind: 'succeed' as const,
      result: { status, response_status },
      writes: (tx: Parameters<typeof noteDelivery>[0]) => noteDelivery(tx, delivery_id, { status, response_status, attempt: job.attempt, endpoint_gone }),
    })
    if (!delivery.is_active) return note('refused', null)
    const status = await post(delivery, readDeliveryConfig().WEBHOOK_ALLOW_PRIVATE, job.signal).catch((error: unknown) => {
      if (error instanceof PrivateAddressError) return null
      throw error
    })
    if (status === null) return note('refused', null)
    if (status === GONE) return note('refused', GONE, true)
    // A redirect is a failure as well: it could lead to an address that was not looked at.
    if (status < 200 || status >= 300) throw new Error(`the endpoint answered ${status}`)
    return note('delivered', status)
  },
}

async function post({ id, event_type, payload, url, secret }: WebhookDelivery, allowPrivate: boolean, signal: AbortSignal): Promise<number> {
  const target = new URL(url)
  const { address, family } = await vettedAddress(target.hostname, allowPrivate)
  const now = new Date()
  const body = JSON.stringify({ type: event_type, timestamp: now.toISOString(), data: payload })
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'webhook-id': id,
    'webhook-timestamp': Math.floor(now.getTime() / 1_000),
    'webhook-signature': new Webhook(secret).sign(id, now, body),
  }
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest
  return new Promise((resolve, reject) => {
    const request = send(target, {
      method: 'POST',
      headers,
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
      // The connection goes to the address that was looked at; the name stays for TLS and the Host header.
      lookup: (_host, options, callback) => (options.all ? callback(null, [{ address, family }]) : callback(null, address, family)),
    })
    request.on('response', (response) => {
      // What the endpoint says beyond its status is of no use, and could be endless.
      response.destroy()
      resolve(response.statusCode!)
    })
    request.on('error', reject)
    request.end(body)
  })
}
