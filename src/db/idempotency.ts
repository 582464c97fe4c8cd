import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** Whose key it is. */
export interface KeyOwner {
  organization_id: string
  user_id: string
  key: string
}

const keptAnswer = z.object({ request_hash: z.instanceof(Buffer), response_status: z.number(), response_body: z.unknown() })
export type KeptAnswer = z.infer<typeof keptAnswer>

/** Two requests with the same key take turns: the second waits for the first one's transaction to end. */
export async function lockIdempotencyKey(db: CommonQueryMethods, owner: string): Promise<void> {
  await db.query(sql.typeAlias('void')`select pg_advisory_xact_lock(hashtextextended(${`idempotency:${owner}`}, 0))`)
}

/** What was answered under this key. */
export async function findKeptAnswer(db: CommonQueryMethods, owner: KeyOwner): Promise<KeptAnswer | null> {
  return db.maybeOne(sql.type(keptAnswer)`
    select request_hash, response_status, response_body from idempotency_keys
     where organization_id = ${owner.organization_id} and user_id = ${owner.user_id} and key = ${owner.key}`)
}

/** Keeps an answer, in the transaction of its effect. */
export async function keepAnswer(db: CommonQueryMethods, owner: KeyOwner, answer: { request_hash: Buffer; status: number; body: string }): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into idempotency_keys (organization_id, user_id, key, request_hash, response_status, response_body)
    values (${owner.organization_id}, ${owner.user_id}, ${owner.key}, ${sql.binary(answer.request_hash)}, ${answer.status}, ${answer.body}::jsonb)`)
}
