import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { findAuditedAnswer } from '#db/audit.ts'
import { findKeptAnswer, keepAnswer, lockIdempotencyKey } from '#db/idempotency.ts'
import type { DatabaseTransactionConnection } from '#db/pool.ts'
import { refusal } from './refusal.ts'
import type { Identity } from './tokens.ts'

const KEY_CHARS = 255

/** An answer that is new, or one that was given before under the same key. */
export type Answer<Body> = { replayed: false; body: Body } | { replayed: true; body: unknown }

/** What an operator's audit row keeps, so that the same key gives the same answer. */
export interface AnswerToKeep {
  key: string
  request_hash: string
  status: number
}

/**
 * Has the effect at most once for a key, in the caller's transaction: the key, the effect and the answer commit
 * together. Requests with the same key take turns.
 *
 * @param effect an operator has no organisation whose row could hold the answer: the effect keeps it in its audit row
 * @throws a refusal with 422 where the key came with another request
 */
export async function once<Body>(
  tx: DatabaseTransactionConnection,
  request: FastifyRequest,
  identity: Identity,
  effect: (keep: AnswerToKeep | null) => Promise<Body>,
): Promise<Answer<Body>> {
  const key = keyOf(request)
  if (key === null) return { replayed: false, body: await effect(null) }
  const { organization_id, user_id } = identity
  const hash = hashOf(request)
  await lockIdempotencyKey(tx, `${organization_id}:${user_id}:${key}`)
  const known = organization_id === null ? await findAuditedAnswer(tx, user_id, key) : await findKept(tx, { organization_id, user_id, key })
  if (known) {
    if (known.request_hash !== hash.toString('hex')) throw refusal(422, 'This Idempotency-Key came with another request before.')
    return { replayed: true, body: known.body }
  }
  const body = await effect({ key, request_hash: hash.toString('hex'), status: 201 })
  if (organization_id !== null)
    await keepAnswer(tx, { organization_id, user_id, key }, { request_hash: hash, status: 201, body: JSON.stringify(shownOf(request, body)) })
  return { replayed: false, body }
}

/** What the answer's schema lets through: the kept answer must not say more than the first one did. */
function shownOf(request: FastifyRequest, body: unknown): unknown {
  const shape = (request.routeOptions.schema?.response as Record<string, z.ZodType> | undefined)?.['201']
  const parsed = shape?.safeParse(body)
  return parsed?.success ? parsed.data : body
}

async function findKept(
  tx: DatabaseTransactionConnection,
  owner: { organization_id: string; user_id: string; key: string },
): Promise<{ request_hash: string; body: unknown } | null> {
  const kept = await findKeptAnswer(tx, owner)
  return kept && { request_hash: kept.request_hash.toString('hex'), body: kept.response_body }
}

/** Sends an answer; one that was kept is JSON already, and says that it was given before. */
export function sendCreated<Body>(reply: FastifyReply, answer: Answer<Body>, status = 201): FastifyReply {
  if (!answer.replayed) return reply.code(status).send(answer.body)
  return reply
    .code(status)
    .header('idempotent-replayed', 'true')
    .type('application/json; charset=utf-8')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(answer.body)
}

function keyOf(request: FastifyRequest): string | null {
  const key = request.headers['idempotency-key']
  if (key === undefined) return null
  if (typeof key !== 'string' || key.length === 0 || key.length > KEY_CHARS) {
    throw refusal(400, 'The Idempotency-Key is not well-formed.', {
      errors: [{ location: 'header', path: 'idempotency-key', message: `must have 1 to ${KEY_CHARS} characters` }],
    })
  }
  return key
}

/** The same request is the same route and the same body, whatever the order in which a client writes known fields. */
/** Of the whole path, since the same body on another ticket is another request. A password is left out: a hash of it is worth guessing at. */
function hashOf(request: FastifyRequest): Buffer {
  const body = JSON.stringify(request.body, (name, value: unknown) => (name === 'password' ? null : value))
  return createHash('sha256')
    .update(`${request.method} ${request.url.split('?')[0]} ${body}`)
    .digest()
}
