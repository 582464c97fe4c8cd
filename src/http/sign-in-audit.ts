import type { FastifyRequest } from 'fastify'
import { insertAudit } from '#db/audit.ts'
import type { CommonQueryMethods } from '#db/pool.ts'
import type { UserRow } from '#db/users.ts'

export type SignInAction = 'account.sign_in' | 'account.sign_in_fail' | 'account.lock_out' | 'account.refresh_reuse'

/**
 * Notes what happened at a sign-in to the accounts that it was about, each in the log of its organisation, an operator's in
 * that of the installation. An attempt at an account that there is not stands there as well: it costs the same, and takes
 * as long. What was typed is not kept, since people type passwords where addresses belong.
 */
export async function noteSignIn(
  db: CommonQueryMethods,
  request: Pick<FastifyRequest, 'id' | 'ip'>,
  action: SignInAction,
  accounts: readonly Pick<UserRow, 'id' | 'organization_id'>[],
  details: Record<string, unknown> = {},
): Promise<void> {
  for (const { id, organization_id } of accounts.length > 0 ? accounts : [UNKNOWN]) {
    await insertAudit(db, {
      organization_id,
      actor_id: action === 'account.sign_in' ? id : null,
      action,
      entity_type: 'user',
      entity_id: id,
      details: { address: request.ip, ...details },
      request_id: request.id,
    })
  }
}

const UNKNOWN = { id: 'unknown', organization_id: null }
