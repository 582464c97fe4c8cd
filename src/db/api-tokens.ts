import { z } from 'zod'
import { sql } from './sql.ts'
import { ROLES } from './users.ts'
import type { CommonQueryMethods } from './pool.ts'

export const apiTokenRow = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  created_at: z.date(),
  expires_at: z.date().nullable(),
  last_used_at: z.date().nullable(),
})
export type ApiTokenRow = z.infer<typeof apiTokenRow>

const columns = sql.fragment`id, name, scopes, created_at, expires_at, last_used_at`
const live = sql.fragment`revoked_at is null and (expires_at is null or expires_at > now())`

/** Keeps an API token as its hash. @returns null where its owner has `limit` of them */
export async function insertApiToken(
  db: CommonQueryMethods,
  token: {
    id: string
    organization_id: string | null
    user_id: string
    name: string
    token_hash: Buffer
    scopes: readonly string[]
    expires_at: string | null
  },
  limit: number,
): Promise<ApiTokenRow | null> {
  return db.maybeOne(sql.type(apiTokenRow)`
    insert into api_tokens (id, organization_id, user_id, name, token_hash, scopes, expires_at)
    select ${token.id}::uuid, ${token.organization_id}::uuid, ${token.user_id}::uuid, ${token.name}, ${sql.binary(token.token_hash)},
           ${sql.array(token.scopes, 'text')}, ${token.expires_at}::timestamptz
     where (select count(*) from api_tokens where user_id = ${token.user_id} and ${live}) < ${limit}
    returning ${columns}`)
}

const listed = apiTokenRow.extend({ at_us: z.number() })

/** Somebody's live tokens, the oldest first. */
export async function listApiTokens(
  db: CommonQueryMethods,
  userId: string,
  page: { after: { at_us: number; id: string } | null; limit: number },
): Promise<readonly z.infer<typeof listed>[]> {
  const after = page.after
  return db.any(sql.type(listed)`
    select ${columns}, (extract(epoch from created_at) * 1000000)::int8 as at_us from api_tokens
     where user_id = ${userId} and ${live}
       and (${after?.at_us ?? null}::int8 is null
            or ((extract(epoch from created_at) * 1000000)::int8, id) > (${after?.at_us ?? null}::int8, ${after?.id ?? null}::uuid))
     order by created_at, id limit ${page.limit}`)
}

/** Ends a token of somebody, or all of them. @returns the ids that ended */
export async function revokeApiTokens(db: CommonQueryMethods, userId: string, id: string | null): Promise<readonly string[]> {
  return db.anyFirst(sql.type(z.object({ id: z.string() }))`
    update api_tokens set revoked_at = now() where user_id = ${userId} and (${id}::uuid is null or id = ${id}::uuid) and ${live} returning id`)
}

const bearer = z.object({
  token_id: z.string(),
  user_id: z.string(),
  organization_id: z.string().nullable(),
  role: z.enum(ROLES),
  scopes: z.array(z.string()),
  lacks_factor: z.boolean(),
  unseen: z.boolean(),
})
export type TokenBearer = z.infer<typeof bearer>

/** Whose token it is, as that account stands now; null where it has ended or its owner is not active. */
export async function findTokenBearer(db: CommonQueryMethods, tokenHash: Buffer): Promise<TokenBearer | null> {
  return db.maybeOne(sql.type(bearer)`
    select token.id as token_id, owner.id as user_id, owner.organization_id, owner.role, token.scopes,
           exists (select from account_policies policy where policy.organization_id = owner.organization_id and owner.role = any(two_factor_roles))
             and not exists (select from two_factors factor where factor.user_id = owner.id and confirmed_at is not null) as lacks_factor,
           last_used_at is null or last_used_at < now() - interval '1 minute' as unseen
      from api_tokens token join users owner on owner.id = token.user_id
     where token_hash = ${sql.binary(tokenHash)} and owner.is_active and revoked_at is null and (expires_at is null or expires_at > now())`)
}

/** Notes that a token is in use; to the minute, so that reading does not become writing. */
export async function touchApiToken(db: CommonQueryMethods, id: string): Promise<void> {
  await db.query(sql.typeAlias('void')`
    update api_tokens set last_used_at = now() where id = ${id} and (last_used_at is null or last_used_at < now() - interval '1 minute')`)
}
