import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

/** A refresh token is kept as its hash: who reads the table cannot use it. */
export async function insertRefreshToken(
  db: CommonQueryMethods,
  token: { family_id: string; organization_id: string | null; user_id: string; token_hash: Buffer; lifetime_seconds: number },
): Promise<void> {
  await db.query(sql.typeAlias('void')`
    insert into refresh_tokens (family_id, organization_id, user_id, token_hash, expires_at)
    values (${token.family_id}, ${token.organization_id}, ${token.user_id}, ${sql.binary(token.token_hash)}, now() + ${token.lifetime_seconds} * interval '1 second')`)
}

const spent = z.object({ family_id: z.string(), user_id: z.string() })

/** Uses a refresh token up: it is good for one exchange. Null where it is unknown, used, revoked or too old. */
export async function spendRefreshToken(db: CommonQueryMethods, tokenHash: Buffer): Promise<z.infer<typeof spent> | null> {
  return db.maybeOne(sql.type(spent)`
    update refresh_tokens set used_at = now()
     where token_hash = ${sql.binary(tokenHash)} and used_at is null and revoked_at is null and expires_at > now()
    returning family_id, user_id`)
}

const owner = z.object({ id: z.string(), organization_id: z.string().nullable() })

/** Whose refresh token this is, where it was exchanged before. */
export async function findUsedToken(db: CommonQueryMethods, tokenHash: Buffer): Promise<z.infer<typeof owner> | null> {
  return db.maybeOne(sql.type(owner)`
    select user_id as id, organization_id from refresh_tokens where token_hash = ${sql.binary(tokenHash)} and used_at is not null`)
}

/** Ends the sign-in that a refresh token belongs to, with every token that came of it. @returns how many ended */
export async function revokeFamilyOf(db: CommonQueryMethods, tokenHash: Buffer): Promise<number> {
  const { rowCount } = await db.query(sql.typeAlias('void')`
    update refresh_tokens set revoked_at = now()
     where revoked_at is null and family_id = (select family_id from refresh_tokens where token_hash = ${sql.binary(tokenHash)})`)
  return rowCount
}

/** The sign-ins that ended while an access token of theirs may still be about. */
export async function endedSignIns(db: CommonQueryMethods, accessSeconds: number): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ family_id: z.string() }))`
    select distinct family_id from refresh_tokens where revoked_at > now() - ${accessSeconds} * interval '1 second'`)
}

/** Ends every sign-in of those people of an organisation who have one of these roles and no second factor. @returns how many tokens ended */
export async function revokeTokensWithoutFactor(db: CommonQueryMethods, organizationId: string, roles: readonly string[]): Promise<number> {
  const { rowCount } = await db.query(sql.typeAlias('void')`
    update refresh_tokens set revoked_at = now()
     where revoked_at is null and user_id in (
       select id from users where organization_id = ${organizationId} and role::text = any(${sql.array(roles, 'text')})
          and not exists (select from two_factors where user_id = users.id and confirmed_at is not null))`)
  return rowCount
}

/** Ends every sign-in of a user. */
export async function revokeTokensOfUser(db: CommonQueryMethods, userId: string): Promise<void> {
  await db.query(sql.typeAlias('void')`update refresh_tokens set revoked_at = now() where user_id = ${userId} and revoked_at is null`)
}
