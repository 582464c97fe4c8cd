import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

export interface NewMailToken {
  organization_id: string | null
  /** Whom it lets set a password, */
  user_id?: string
  /** or whose address it confirms. */
  registration_id?: string
  token: string
  token_hash: Buffer
  lifetime_seconds: number
}

/** Keeps a token that goes out by mail; it stands here itself until the mail is out. */
export async function insertMailToken(db: CommonQueryMethods, token: NewMailToken): Promise<string> {
  return db.oneFirst(sql.type(z.object({ id: z.string() }))`
    insert into mail_tokens (organization_id, user_id, registration_id, token_hash, unsent, expires_at)
    values (${token.organization_id}, ${token.user_id ?? null}, ${token.registration_id ?? null}, ${sql.binary(token.token_hash)}, ${token.token},
            now() + ${token.lifetime_seconds} * interval '1 second')
    returning id`)
}

/** The token that a mail is to carry; null where it is out already, has ended, or is another organisation's. */
export async function readUnsentToken(db: CommonQueryMethods, id: string): Promise<string | null> {
  const row = await db.maybeOne(sql.type(z.object({ unsent: z.string().nullable() }))`
    select unsent from mail_tokens
     where id = ${id} and organization_id is not distinct from bound_organization() and used_at is null and expires_at > now()`)
  return row?.unsent ?? null
}

/** Forgets the token itself: its mail is out. */
export async function forgetSentToken(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`update mail_tokens set unsent = null where id = ${id}`)
}

const spent = z.object({ user_id: z.string().nullable(), registration_id: z.string().nullable() })

/** Uses a token up. Null where there is none, or none any more. */
export async function spendMailToken(db: CommonQueryMethods, tokenHash: Buffer, kind: 'account' | 'registration'): Promise<z.infer<typeof spent> | null> {
  return db.maybeOne(sql.type(spent)`
    update mail_tokens set used_at = now(), unsent = null
     where token_hash = ${sql.binary(tokenHash)} and used_at is null and expires_at > now() and (user_id is not null) = ${kind === 'account'}
    returning user_id, registration_id`)
}

/** Ends what was mailed to somebody and not used: the password is another one now. */
export async function endMailTokensOf(db: CommonQueryMethods, userId: string): Promise<void> {
  await db.query(sql.typeAlias('void')`update mail_tokens set used_at = now(), unsent = null where user_id = ${userId} and used_at is null`)
}
