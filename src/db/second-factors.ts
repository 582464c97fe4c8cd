import { z } from 'zod'
import { sql } from './sql.ts'
import type { CommonQueryMethods } from './pool.ts'

const schema = z.object({ there: z.boolean() })

/** Whether the schema knows second factors, counted attempts and API tokens: taken down to an older version, it does not. */
export async function hasAccountTables(db: CommonQueryMethods): Promise<boolean> {
  return (await db.one(sql.type(schema)`select to_regclass('two_factors') is not null and to_regclass('attempt_counts') is not null as there`)).there
}

const factor = z.object({ sealed_secret: z.instanceof(Buffer), confirmed: z.boolean(), last_step: z.number().nullable() })
export type SecondFactor = z.infer<typeof factor>

/** Somebody's second factor, confirmed or not. */
export async function findSecondFactor(db: CommonQueryMethods, userId: string): Promise<SecondFactor | null> {
  return db.maybeOne(sql.type(factor)`
    select sealed_secret, confirmed_at is not null as confirmed, last_step from two_factors where user_id = ${userId}`)
}

/** Begins a second factor, or begins it anew where it was not confirmed. @returns false where there is a confirmed one */
export async function beginSecondFactor(
  db: CommonQueryMethods,
  owner: { user_id: string; organization_id: string | null },
  sealedSecret: Buffer,
): Promise<boolean> {
  const { rowCount } = await db.query(sql.typeAlias('void')`
    insert into two_factors (user_id, organization_id, sealed_secret) values (${owner.user_id}, ${owner.organization_id}, ${sql.binary(sealedSecret)})
    on conflict (user_id) do update set sealed_secret = excluded.sealed_secret, created_at = now() where two_factors.confirmed_at is null`)
  return rowCount > 0
}

/** Confirms a second factor by the code of a step, which is used up, with its recovery codes. @returns false where it is confirmed already */
export async function confirmSecondFactor(
  db: CommonQueryMethods,
  owner: { user_id: string; organization_id: string | null },
  step: number,
  codeHashes: readonly Buffer[],
): Promise<boolean> {
  const { rowCount } = await db.query(sql.typeAlias('void')`
    update two_factors set confirmed_at = now(), last_step = ${step} where user_id = ${owner.user_id} and confirmed_at is null`)
  if (rowCount === 0) return false
  await replaceRecoveryCodes(db, owner, codeHashes)
  return true
}

/** Gives somebody these recovery codes, and takes away those before. */
export async function replaceRecoveryCodes(
  db: CommonQueryMethods,
  owner: { user_id: string; organization_id: string | null },
  codeHashes: readonly Buffer[],
): Promise<void> {
  await db.query(sql.typeAlias('void')`delete from recovery_codes where user_id = ${owner.user_id}`)
  await db.query(sql.typeAlias('void')`
    insert into recovery_codes (user_id, organization_id, code_hash)
    select ${owner.user_id}::uuid, ${owner.organization_id}::uuid, code_hash from unnest(${sql.array(codeHashes, 'bytea')}) as given (code_hash)`)
}

/** Takes somebody's second factor away, with its recovery codes. @returns whether there was a confirmed one */
export async function removeSecondFactor(db: CommonQueryMethods, userId: string): Promise<boolean> {
  const row = await db.maybeOne(sql.type(schema)`delete from two_factors where user_id = ${userId} returning confirmed_at is not null as there`)
  return row?.there ?? false
}

/** Uses the code of a step up. @returns false where that step, or a later one, was used */
export async function useStep(db: CommonQueryMethods, userId: string, step: number): Promise<boolean> {
  const { rowCount } = await db.query(sql.typeAlias('void')`
    update two_factors set last_step = ${step} where user_id = ${userId} and confirmed_at is not null and (last_step is null or last_step < ${step})`)
  return rowCount > 0
}

/** Uses a recovery code up. @returns false where there is no such unused code */
export async function useRecoveryCode(db: CommonQueryMethods, userId: string, codeHash: Buffer): Promise<boolean> {
  const { rowCount } = await db.query(sql.typeAlias('void')`
    update recovery_codes set used_at = now() where user_id = ${userId} and code_hash = ${sql.binary(codeHash)} and used_at is null`)
  return rowCount > 0
}

const factorStanding = z.object({ enabled: z.boolean(), required: z.boolean(), recovery_codes_left: z.number() })
export type FactorStanding = z.infer<typeof factorStanding>

/** Whether somebody has a second factor, and whether the organisation's policy wants one of that role. */
export async function readFactorStanding(db: CommonQueryMethods, user: { id: string; organization_id: string | null; role: string }): Promise<FactorStanding> {
  return db.one(sql.type(factorStanding)`
    select exists (select from two_factors where user_id = ${user.id} and confirmed_at is not null) as enabled,
           exists (select from account_policies where organization_id = ${user.organization_id} and ${user.role}::user_role = any(two_factor_roles)) as required,
           (select count(*) from recovery_codes where user_id = ${user.id} and used_at is null) as recovery_codes_left`)
}
