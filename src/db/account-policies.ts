import { z } from 'zod'
import { sql } from './sql.ts'
import { ROLES } from './users.ts'
import type { Role } from './users.ts'
import type { CommonQueryMethods } from './pool.ts'

const policyRow = z.object({ two_factor_roles: z.array(z.enum(ROLES)), registration_enabled: z.boolean() })
export type AccountPolicy = z.infer<typeof policyRow>

/** What an organisation has that never said anything; equal to the columns' defaults. */
const DEFAULTS: AccountPolicy = { two_factor_roles: [], registration_enabled: true }

/** What an organisation asks of its people's accounts. */
export async function readAccountPolicy(db: CommonQueryMethods, organizationId: string): Promise<AccountPolicy> {
  const row = await db.maybeOne(sql.type(policyRow)`
    select two_factor_roles::text[] as two_factor_roles, registration_enabled from account_policies where organization_id = ${organizationId}`)
  return row ?? DEFAULTS
}

/** Changes what is given of it. */
export async function writeAccountPolicy(
  db: CommonQueryMethods,
  organizationId: string,
  changes: { two_factor_roles?: readonly Role[]; registration_enabled?: boolean },
): Promise<AccountPolicy> {
  const roles = changes.two_factor_roles ? sql.fragment`${sql.array(changes.two_factor_roles, 'text')}::text[]::user_role[]` : sql.fragment`null::user_role[]`
  const enabled = changes.registration_enabled ?? null
  return db.one(sql.type(policyRow)`
    insert into account_policies as policy (organization_id, two_factor_roles, registration_enabled)
    values (${organizationId}, coalesce(${roles}, '{}'), coalesce(${enabled}::bool, true))
    on conflict (organization_id) do update
       set two_factor_roles = coalesce(${roles}, policy.two_factor_roles), registration_enabled = coalesce(${enabled}::bool, policy.registration_enabled),
           updated_at = now()
    returning two_factor_roles::text[] as two_factor_roles, registration_enabled`)
}
