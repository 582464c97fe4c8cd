import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { Webhook } from 'standardwebhooks'
import type { WebhookDelivery } from '#db/deliveries.ts'
import { vettedAddress } from './public-address.ts'

const ANSWER_MS = 15_000
/** So much of what an endpoint says beyond its status is kept, for whoever looks for the fault. */
const EXCERPT_BYTES = 500

/** What the endpoint said. */
export interface Answer {
  status: number
  excerpt: string
}

/**
 * Posts a delivery, signed by the Standard Webhooks rules with each secret that counts, to the one address that was
 * looked at. No redirect is followed: it could lead to an address that was not.
 */
export async function postDelivery(delivery: WebhookDelivery, allowPrivate: boolean, signal: AbortSignal): Promise<Answer> {
  const { message_id, event_id, event_type, payload, happened_at, url, secrets } = delivery
  const target = new URL(url)
  const { address, family } = await vettedAddress(target.hostname, allowPrivate)
  const now = new Date()
  const body = JSON.stringify({ id: event_id, type: event_type, timestamp: happened_at.toISOString(), data: payload })
  const headers = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': 'ATUM-DESK',
    'webhook-id': message_id,
    'webhook-timestamp': Math.floor(now.getTime() / 1_000),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(message_id, now, body)).join(' '),
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
      let said = Buffer.alloc(0)
      const answer = (): void => resolve({ status: response.statusCode!, excerpt: inOneLine(said) })
      response.on('data', (chunk: Buffer) => {
        said = Buffer.concat([said, chunk]).subarray(0, EXCERPT_BYTES)
        // What follows is of no use, and could be endless.
        if (said.length === EXCERPT_BYTES) response.destroy()
      })
      response.on('close', answer)
      response.on('error', answer)
    })
    request.on('error', reject)
    request.end(body)
  })
}

function inOneLine(bytes: Buffer): string {
  return bytes
    .toString('utf8')
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .trim()
    .toWellFormed()
}
